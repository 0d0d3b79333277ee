"""`status`: what is announced and why, from the router and from who looks after it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed import atomic, reconcile, record
from anycast_routed.cli import known
from anycast_routed.decide.compare import faults
from anycast_routed.decide.plan import plan as decide
from anycast_routed.errors import AnycastRoutedError, Exit, RouterUnavailableError, UsageError
from anycast_routed.model import Health
from anycast_routed.report import live, text
from anycast_routed.report.document import document, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.cli.settings import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan, Prefix, Readback

_LOOK_EVERY = 0.2  # seconds from one look at the daemon's status file to the next
_REDRAW_EVERY = 2.0  # seconds from one read-back to the next, where that file stays the same
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # ECMA-48 CUP and ED, which every terminal has; 3 is xterm's


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(status)


def status(
    context: typer.Context,
    prefix: Annotated[
        str | None, typer.Argument(metavar="PREFIX", help="Only this one; all by default.")
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show every change until Ctrl-C.")] = False,
) -> int:
    """Show what is announced, to whom, and why not.

    It is read back from the router, beside the verdicts of the daemon or of the last run. Probes
    nothing.
    """
    settings: Settings = context.obj
    wanted = None if prefix is None else known.prefix(prefix)
    if watch:
        return _watch(settings, wanted)
    config = settings.load()
    try:
        seen = _look(config, wanted)
    except RouterUnavailableError:
        settings.say(_without_router(config))
        raise
    settings.emit("status", **seen.facts)
    settings.say(seen.lines)
    return Exit.OK


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look: for programs, and for people."""

    facts: dict[str, object]
    lines: list[str]


def _watch(settings: Settings, wanted: Prefix | None) -> int:
    """Show what has changed, at once where the daemon tells it, until Ctrl-C."""
    on_terminal = sys.stdout.isatty() and not settings.json
    shown = None
    try:
        while True:
            config, block = _block(settings, wanted)
            if block != shown:
                print(f"{_CLEAR}{block}" if on_terminal else f"{block}\n", flush=True)
                shown = block
            _wait(config)
    except KeyboardInterrupt:
        return Exit.OK


def _block(settings: Settings, wanted: Prefix | None) -> tuple[Config | None, str]:
    """Return the config, and what is to be shown: what cannot be had is shown as what it is."""
    config = None
    try:
        config = settings.load()
        seen = _look(config, wanted)
    except UsageError:
        raise
    except AnycastRoutedError as error:
        facts: dict[str, object] = {"error": error.message, "hint": error.hint}
        lines = _without_router(config) if isinstance(error, RouterUnavailableError) else []
        seen = _Seen(facts, [*lines, f"! {error.message}"])
    if settings.json:
        return config, json.dumps(document("status", **seen.facts), indent=2)
    return config, "\n".join(settings.coloured(seen.lines))


def _wait(config: Config | None) -> None:
    """Wait until the daemon has told something new, or it is time to ask the router again."""
    until = time.monotonic() + _REDRAW_EVERY
    before = _stamp(config) if config else None
    while time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
        if config and _stamp(config) != before:
            return


def _stamp(config: Config) -> int:
    """Tell one version of the daemon's status file from the next; each is a new file."""
    try:
        return (config.daemon.run_dir / "status.json").stat().st_mtime_ns
    except OSError:
        return 0


def _look(config: Config, wanted: Prefix | None) -> _Seen:
    speaker = reconcile.choose_speaker(config)
    observed, daemon = known.observed(config, speaker)
    whole = decide(config, observed)
    plan, readback = _only(whole, speaker.read(), wanted)
    found = tuple(f for f in faults(plan, readback) if wanted in (None, f.prefix))
    notes = [*speaker.notes()]
    if daemon is None and record.load(config.daemon.run_dir):
        notes += _drift(config, speaker, whole)
    facts: dict[str, object] = {
        "daemon": None if daemon is None else _facts(daemon),
        "router": readback.router,
        "health": observed.health,
        "drains": observed.drains,
        "damped": observed.damped,
        "announcements": plan.announcements,
        "withheld": plan.withheld,
        "originated": readback.originated,
        "sessions": readback.sessions,
        "exported": {str(peer): plain(routes) for peer, routes in readback.exported.items()},
        "faults": found,
        "notes": notes,
    }
    lines = list(_of_services(config, observed, daemon)) if wanted is None else []
    lines += _of_prefixes(plan, readback)
    lines += text.trouble_lines(readback, found)
    lines += [f"! {note}" for note in notes]
    lines.append(text.confirmation(readback, wanted))
    return _Seen(facts, lines)


def _without_router(config: Config | None) -> list[str]:
    """Return what the daemon knows, where the router does not answer."""
    if config is None:
        return []
    observed, daemon = known.observed(config, None)
    return list(_of_services(config, observed, daemon)) if daemon else []


def _facts(daemon: live.Live) -> Mapping[str, object]:
    names = ("pid", "since", "config", "problems", "troubles", "senses")
    return {name: plain(getattr(daemon, name)) for name in names}


def _of_services(config: Config, observed: Observed, daemon: live.Live | None) -> Iterator[str]:
    """Tell who looks after the services, what is wrong there, and how each one stands."""
    if daemon is not None:
        since = time.strftime("%F %T", time.localtime(daemon.since))
        yield f"  the daemon runs: PID {daemon.pid}, since {since}"
        for about, problem in daemon.problems.items():
            yield f"! {about} problem: {text.safe(problem)}"
    elif live.load(config.daemon.run_dir) is not None:
        yield "! the daemon does not run, and has not ended as it should"
    when = "" if daemon else " at the last run"
    for name, one in observed.health.items():
        if one == Health():
            yield f"  service {name}: not checked since the boot"
        else:
            yield f"  service {name}: {one.verdict}{when}, {text.safe(one.reason)}"
        sense = daemon.senses.get(name) if daemon else None
        if isinstance(sense, dict) and sense.get("detail"):
            yield f"! service {name}: {text.safe(str(sense['detail']))}"
    for name, sentence in observed.damped.items():
        yield f"! service {name} waits: {text.safe(sentence)}"
    for target, drain in observed.drains.items():
        yield f"! drain of {target}: {drain.stage}" + (
            f", {text.safe(drain.detail)}" if drain.detail else ""
        )


def _drift(config: Config, speaker: Speaker, plan: Plan) -> list[str]:
    """Say where our part of the router's config is not what the next `apply` would leave."""
    wanted = reconcile.render(config, speaker, plan)
    if atomic.read(speaker.file) == wanted and speaker.is_loaded(wanted):
        return []
    return ["our part of the router's config is not as planned; the next apply puts it right"]


def _of_prefixes(plan: Plan, readback: Readback) -> list[str]:
    rows = [
        (
            f"+ {route.prefix}",
            f"LocalPref {route.local_pref}",
            f"next hop {route.next_hop}",
            f"to {', '.join(_peers(readback, route.prefix)) or 'no peer'}",
        )
        for route in readback.originated
    ]
    return text.columns(rows) + text.change_lines(plan, ())


def _peers(readback: Readback, prefix: Prefix) -> list[str]:
    return [
        str(peer)
        for peer, routes in readback.exported.items()
        if any(route.prefix == prefix for route in routes)
    ]


def _only(plan: Plan, readback: Readback, wanted: Prefix | None) -> tuple[Plan, Readback]:
    """Leave one prefix in both, or all."""
    if wanted is None:
        return plan, readback
    planned = [a.prefix for a in plan.announcements] + [w.prefix for w in plan.withheld]
    there = dict.fromkeys([*planned, *(route.prefix for route in readback.originated)])
    if wanted not in there:
        names = ", ".join(str(prefix) for prefix in there if prefix) or "none"
        message = f"neither the config nor a label here gives {wanted}"
        raise UsageError(message, hint=f"there are: {names}")
    one_plan = replace(
        plan,
        announcements=tuple(a for a in plan.announcements if a.prefix == wanted),
        withheld=tuple(w for w in plan.withheld if w.prefix == wanted),
    )
    one_readback = replace(
        readback,
        originated=tuple(r for r in readback.originated if r.prefix == wanted),
        exported={
            peer: tuple(r for r in routes if r.prefix == wanted)
            for peer, routes in readback.exported.items()
        },
    )
    return one_plan, one_readback
