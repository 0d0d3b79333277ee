"""`drain` and `undrain`: a service or a prefix out of use, by its operator's order.

The order stands in a file that the daemon watches and that every run of `apply` reads.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.cli import waiting
from anycast_routed.cli.targets import of_targets, spelled
from anycast_routed.config.values import Refused, seconds
from anycast_routed.errors import Exit, UsageError
from anycast_routed.facts.draining import drain_time
from anycast_routed.model import Verdict
from anycast_routed.reconcile import last_known
from anycast_routed.report import text
from anycast_routed.state import drain_orders, record, running_daemon
from anycast_routed.state.drain_orders import Ordered
from anycast_routed.system import files, lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Prefix

_LOCK_WITHIN = 5.0  # seconds that we wait for another instance to end
_LONGEST_REASON = 80  # characters
_LONGEST = 366 * 86400.0  # seconds of a drain
_STEPS_DOWN = 2  # runs of `apply`: one lowers, one withdraws

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
        str | None, typer.Option("--for", metavar="10m", help="For so long; else until undrain.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who look.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it is withdrawn.")] = False,
) -> int:
    """Take a service or a prefix out of use gently, until `undrain`.

    It is announced with LocalPref 0 and GRACEFUL_SHUTDOWN for drain-time, and then withdrawn.
    It stays so over a reboot.
    """
    settings: Settings = context.obj
    config = settings.load()
    now = time.time()
    lasts = math.inf if for_ is None else duration("--for", for_, 1.0, _LONGEST)
    until = None if for_ is None else now + lasts
    _refuse_reason(reason)
    targets = _targets(config, target)
    lowers = max(drain_time(config, one) for one in targets)
    if lasts <= lowers:
        never = f"over before it is withdrawn, since drain-time is {lowers:g} s"
        if wait:
            message = f"--for: {for_} is {never}: there is nothing to --wait for"
            raise UsageError(message, hint="drain it for longer, or without --wait")
        settings.talk([f"warning: --for: {for_} is {never}"])
    goal = dict.fromkeys((one.prefix for one in of_targets(config, targets)), None)
    way = waiting.Way(settings, config, goal)
    with _ordering(config):
        for one in targets:
            drain_orders.order(config.daemon.state_dir, Ordered(one, reason, now, until))
    settings.say(f"{one} is {_said(reason, until)}" for one in targets)
    daemon = running_daemon.pid(config.daemon.run_dir)
    if wait:
        way.wait(by_steps=_STEPS_DOWN, lowers=lowers, lasts=lasts)
    elif daemon is None:
        after = f"the first after {lowers:g} s withdraws it"
        settings.talk([f"no daemon runs: the next apply lowers it, {after}"])
    settings.emit(
        "drain", targets=targets, reason=reason, until=until, daemon=daemon, withdrawn=wait
    )
    return Exit.OK


def undrain(
    context: typer.Context,
    target: _Target = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is announced.")] = False,
) -> int:
    """Put a service or a prefix back into use, or all that is drained.

    A service that waits because it has flapped is announced at once as well.
    """
    settings: Settings = context.obj
    config = settings.load()
    state_dir = config.daemon.state_dir
    # What has left the config since can be lifted all the same.
    ordered = [one.target for one in drain_orders.load(state_dir, time.time())]
    targets = _targets(config, target, ordered)
    way = waiting.Way(settings, config, _back(settings, config, targets, ordered))
    with _ordering(config):
        lifted = [one for one in targets if drain_orders.lift(state_dir, one)]
    forgiven = _forgive(config, targets)
    settings.say(f"{one} is no longer drained" for one in lifted)
    settings.say(f"{one} no longer waits for its flapping" for one in forgiven)
    if not lifted and not forgiven:
        # A drain with an end may have been there, and be over.
        nothing = "nothing is drained now"
        settings.say([nothing if target is None else f"{targets[0]} is not drained now"])
    daemon = running_daemon.pid(config.daemon.run_dir)
    if wait:
        way.wait(by_steps=1)
    elif daemon is None:
        settings.talk(["no daemon runs: the next apply announces what is healthy"])
    settings.emit("undrain", lifted=lifted, forgiven=forgiven, daemon=daemon, announced=wait)
    return Exit.OK


def duration(option: str, given: str, least: float, most: float) -> float:
    """Read an option's duration as the config would.

    Raises:
        UsageError: it is none, or out of range.
    """
    try:
        return seconds(least, most)(given)
    except Refused as error:
        message = f"{option}: {error.message}"
        # The config's hint is about quotes, which the shell has taken away.
        hint = f"write {given}s, or {given}m for minutes" if given.isdecimal() else error.hint
        raise UsageError(message, hint=hint) from None


def _said(reason: str, until: float | None) -> str:
    end = "" if until is None else f"until {time.strftime('%F %T', time.localtime(until))}"
    if not reason:
        return f"drained {end}".rstrip()
    return f"drained: {', '.join(filter(None, (text.safe(reason), end)))}"


def _refuse_reason(reason: str) -> None:
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        message = f"--reason: must be at most {_LONGEST_REASON} printable characters"
        raise UsageError(message)


def _targets(config: Config, target: str | None, ordered: list[str] | None = None) -> list[str]:
    """Return the one target as a plan writes it, or every service and what is `ordered`."""
    also = ordered or []
    if target is None:
        return list(dict.fromkeys([*(service.name for service in config.services), *also]))
    one = spelled(target)
    if one not in also:
        of_targets(config, [one])
    return [one]


@contextmanager
def _ordering(config: Config) -> Iterator[None]:
    """Be the only one who changes orders. The daemon holds another folder's lock."""
    with lock.hold(config.daemon.state_dir, "drain", within=_LOCK_WITHIN):
        # The daemon reads this with each change of the orders: an older pardon is over.
        files.remove(config.daemon.run_dir / "forgive")
        yield


def _forgive(config: Config, targets: list[str]) -> list[str]:
    """Let the services among these that wait for their flapping return; return their names."""
    found, daemon = last_known.observed(config, None)
    names = [name for name in targets if name in found.damped]
    run_dir = config.daemon.run_dir
    if names and daemon is not None:
        files.write(run_dir / "forgive", "".join(f"{name}\n" for name in names), durable=False)
    elif names:
        with running_daemon.alone(run_dir, "undrain", within=_LOCK_WITHIN):
            if (last := record.load(run_dir)) is not None:
                flaps = {name: one for name, one in last.flaps.items() if name not in names}
                record.keep(run_dir, replace(last, flaps=flaps))
    return names


def _back(
    settings: Settings, config: Config, targets: list[str], ordered: list[str]
) -> dict[Prefix, int | None]:
    """Return the LocalPref of each prefix that comes back; warn of those that stay drained."""
    best, _ = last_known.assumed(config, Verdict.UP)
    left = set(ordered) - set(targets)
    goal: dict[Prefix, int | None] = {}
    for one in best.announcements:
        names = {one.service, str(one.prefix)}
        if names & left and names & set(targets):
            by = " and ".join(sorted(names & left))
            settings.talk([f"warning: {one.prefix} stays drained, by the order for {by}"])
        elif names & set(targets):
            goal[one.prefix] = one.local_pref
    return goal
