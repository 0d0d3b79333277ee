"""`drain` and `undrain`: take a service or a prefix out of use by an operator's order, and back.

The order is in a file that the daemon watches and that every run of `apply` reads.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose
from anycast_routed.cli.options import parse_duration
from anycast_routed.cli.targets import canonical, meant_by
from anycast_routed.cli.waiting import Transition
from anycast_routed.decide.origins import Wanted, origin_findings, still_announced
from anycast_routed.errors import AnycastRoutedError, Exit, UsageError
from anycast_routed.facts.draining import drain_times
from anycast_routed.reconcile import last_known
from anycast_routed.reconcile.assumed_plan import best
from anycast_routed.report import findings, text
from anycast_routed.state import drain_orders, record, requests, running_daemon
from anycast_routed.state.drain_orders import Ordered
from anycast_routed.system import lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Origin, Prefix

_LOCK_TIMEOUT = 5.0  # seconds to wait for another instance to end
_LONGEST_REASON = 80  # characters
_LONGEST_DRAIN = 366 * 86400.0  # seconds
_APPLIES_TO_WITHDRAW = 2  # the first lowers the LocalPref, the second withdraws

_Target = Annotated[
    str | None,
    typer.Argument(metavar="[SERVICE|PREFIX]", help="One service or prefix; all by default."),
]


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    app.command()(drain)
    app.command()(undrain)


def drain(
    context: typer.Context,
    target: _Target = None,
    *,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="10m", help="How long; else until undrain.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown by `status`.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is withdrawn.")] = False,
) -> int:
    """Take a service or a prefix out of use gently, until `undrain`.

    It is announced with LocalPref 0 and GRACEFUL_SHUTDOWN for drain-time, and then withdrawn.
    A drain survives a reboot.
    """
    settings: Settings = context.obj
    config = settings.load()
    now = time.time()
    lasts = math.inf if for_ is None else parse_duration("--for", for_, 1.0, _LONGEST_DRAIN)
    until = None if for_ is None else now + lasts
    _refuse_reason(reason)
    targets = _targets(config, target)
    lowered = max(drain_times(config, targets).values())
    if lasts <= lowered:
        _warn_of_short_drain(settings, f"--for: {for_}", lowered, wait=wait)
    drained, gone = meant_by(config, targets)
    transition = Transition(settings, config, dict.fromkeys(drained))
    with _changing_orders(config):
        for one in targets:
            drain_orders.order(config.daemon.state_dir, Ordered(one, reason, now, until))
    settings.say(f"{one} is {_drained(reason, until)}" for one in targets)
    daemon = running_daemon.pid(config.daemon.run_dir)
    if wait:
        transition.wait(applies=_APPLIES_TO_WITHDRAW, lowered=lowered, lasts=lasts)
    elif daemon is None:
        then = f"the first apply after {lowered:g} s withdraws it"
        settings.talk([f"no daemon runs: the next apply lowers the LocalPref, {then}"])
    facts = {"targets": targets, "reason": reason, "until": until}
    settings.emit("drain", **facts, daemon=daemon, withdrawn=wait)
    return _look_for_others(settings, config, gone) if wait else Exit.OK


def _look_for_others(settings: Settings, config: Config, gone: tuple[Prefix, ...]) -> Exit:
    """Report what else announces the drained prefixes; return 4 if this host does."""
    left: tuple[Origin, ...] = ()
    with contextlib.suppress(AnycastRoutedError):
        left = choose.choose(config).origins(gone)
    settings.say(findings.lines(origin_findings(Wanted(), left)))
    return Exit.NOT_CONFIRMED if still_announced(Wanted(), left) else Exit.OK


def undrain(
    context: typer.Context,
    target: _Target = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is announced.")] = False,
) -> int:
    """Put a drained service or prefix back into use, or all of them.

    A service that is withheld because it has flapped is also announced at once.
    """
    settings: Settings = context.obj
    config = settings.load()
    state_dir = config.daemon.state_dir
    # A drained target that is no longer in the config can be undrained too.
    ordered = [one.target for one in drain_orders.load(state_dir, time.time())]
    targets = _targets(config, target, ordered)
    transition = Transition(settings, config, _returning(settings, config, targets, ordered))
    with _changing_orders(config):
        lifted = [one for one in targets if drain_orders.lift(state_dir, one)]
    forgiven = _forgive_flaps(config, targets)
    settings.say(f"{one} is no longer drained" for one in lifted)
    settings.say(f"{one} is no longer withheld for flapping" for one in forgiven)
    if not lifted and not forgiven:
        # A drain with an end may have existed and be over.
        line = "nothing is drained now" if target is None else f"{targets[0]} is not drained now"
        settings.say([line])
    daemon = running_daemon.pid(config.daemon.run_dir)
    if wait:
        transition.wait(applies=1)
    elif daemon is None:
        settings.talk(["no daemon runs: the next apply announces what is healthy"])
    settings.emit("undrain", lifted=lifted, forgiven=forgiven, daemon=daemon, announced=wait)
    return Exit.OK


def _warn_of_short_drain(settings: Settings, given: str, lowered: float, *, wait: bool) -> None:
    """Warn of a drain that ends before it withdraws anything.

    Raises:
        UsageError: `--wait` asks to wait for the withdrawal, which never comes.
    """
    problem = f"{given} is over before it is withdrawn, since drain-time is {lowered:g} s"
    if wait:
        message = f"{problem}: there is nothing to --wait for"
        raise UsageError(message, hint="drain it for longer, or without --wait")
    settings.talk([f"warning: {problem}"])


def _drained(reason: str, until: float | None) -> str:
    """Return `drained` with the reason and the end, as far as they are given."""
    end = "" if until is None else f"until {time.strftime('%F %T', time.localtime(until))}"
    if not reason:
        return f"drained {end}".rstrip()
    return f"drained: {', '.join(filter(None, (text.safe(reason), end)))}"


def _refuse_reason(reason: str) -> None:
    """Check the reason.

    Raises:
        UsageError: the reason is too long or not printable.
    """
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        message = f"--reason: must be at most {_LONGEST_REASON} printable characters"
        raise UsageError(message)


def _targets(config: Config, target: str | None, ordered: list[str] | None = None) -> list[str]:
    """Return the target in canonical form; without one, every service and all of `ordered`."""
    drained = ordered or []
    if target is None:
        return list(dict.fromkeys([*(service.name for service in config.services), *drained]))
    one = canonical(target)
    if one not in drained:
        meant_by(config, [one])
    return [one]


@contextlib.contextmanager
def _changing_orders(config: Config) -> Iterator[None]:
    """Hold the lock of the drain orders (the daemon holds the lock of another directory)."""
    with lock.hold(config.daemon.state_dir, "drain", within=_LOCK_TIMEOUT):
        # The daemon reads this file at each change of the orders: remove an older request.
        requests.clear_forgive(config.daemon.run_dir)
        yield


def _forgive_flaps(config: Config, targets: list[str]) -> list[str]:
    """Let the targets that are withheld for flapping return at once; return their names."""
    found, daemon = last_known.observed(config, None)
    names = [name for name in targets if name in found.damped]
    run_dir = config.daemon.run_dir
    if names and daemon is not None:
        requests.write_forgive(run_dir, names)
    elif names:
        with running_daemon.alone(run_dir, "undrain", within=_LOCK_TIMEOUT):
            if (last := record.load(run_dir)) is not None:
                flaps = {name: one for name, one in last.flaps.items() if name not in names}
                record.keep(run_dir, replace(last, flaps=flaps))
    return names


def _returning(
    settings: Settings, config: Config, targets: list[str], ordered: list[str]
) -> dict[Prefix, int | None]:
    """Return the LocalPref of each prefix that returns; warn of prefixes that stay drained.

    `ordered` are all drained targets, `targets` those that are undrained now.
    """
    remaining = set(ordered) - set(targets)
    goal: dict[Prefix, int | None] = {}
    for one in best(config).announcements:
        names = {one.service, str(one.prefix)}
        if names & remaining and names & set(targets):
            by = " and ".join(sorted(names & remaining))
            settings.talk([f"warning: {one.prefix} stays drained, by the order for {by}"])
        elif names & set(targets):
            goal[one.prefix] = one.local_pref
    return goal
