"""One picture: the router's word, beside what the daemon or the last run knows."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.announce import choose
from anycast_routed.config import password_files
from anycast_routed.decide.attributes import cells
from anycast_routed.decide.plan import plan as decide
from anycast_routed.decide.plan import without_labels
from anycast_routed.decide.proof import faults
from anycast_routed.errors import ConfigError, UsageError
from anycast_routed.model import Health, Verdict
from anycast_routed.reconcile import cycle, last_known
from anycast_routed.report import text
from anycast_routed.state import record, running_daemon, status_file
from anycast_routed.state.documents import plain
from anycast_routed.system import files, lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan, Prefix, Readback


_JOURNAL = "journalctl -u anycast-routed"


@dataclass(frozen=True, slots=True)
class Picture:
    """The same for programs and for people."""

    facts: dict[str, object]
    lines: list[str]


def look(config: Config, wanted: Prefix | None) -> Picture:
    """Ask the router, the daemon and the last run. Probes nothing, changes nothing.

    Raises:
        UsageError: there is no such prefix.
        RouterUnavailableError, AccessDeniedError: nobody tells.
    """
    config = password_files.read(config)
    speaker = choose.choose(config)
    observed, daemon = last_known.observed(config, speaker)
    whole = decide(config, observed)
    plan, readback = _only(whole, speaker.read(), wanted)
    found = tuple(f for f in faults(plan, readback) if wanted in (None, f.prefix))
    notes = [*speaker.notes(), *without_labels(config, observed)]
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
    lines = []
    if wanted is None:
        lines += [*_head(config.daemon.run_dir, daemon), *_of_services(observed, daemon)]
    lines += _of_prefixes(plan, readback)
    lines += text.trouble_lines(readback, found, plan)
    lines += [f"! {note}" for note in notes]
    lines.append(text.confirmation(readback, wanted))
    return Picture(facts, lines)


def of_daemon(run_dir: Path, *, refused: bool) -> list[str]:
    """Return what the daemon tells, where neither the router nor the config need answer.

    `refused`: the config file is wrong, so the daemon runs with an older one.
    """
    daemon = running_daemon.said(run_dir)
    if daemon is None:
        return []
    old = ["! the config file is refused: the old config stays in force"] if refused else []
    troubles = map(text.printable, daemon.troubles)
    return [*_head(run_dir, daemon), *old, *_of_services(daemon, daemon), *troubles]


def _facts(daemon: status_file.Live) -> Mapping[str, object]:
    names = ("pid", "since", "config", "problems", "troubles", "senses")
    return {name: plain(getattr(daemon, name)) for name in names}


def _head(run_dir: Path, daemon: status_file.Live | None) -> Iterator[str]:
    """Tell who looks after the services, and what is wrong there."""
    if daemon is not None:
        since = time.strftime("%F %T", time.localtime(daemon.since))
        yield f"  the daemon runs: PID {daemon.pid}, since {since}"
        for about, problem in daemon.problems.items():
            yield from text.problem_lines(about, problem)
    elif running_daemon.is_strange(run_dir):
        yield f"! somebody holds {run_dir}, who is not known; {lock.UNKNOWN}"
    elif status_file.load(run_dir) is not None:
        yield f"! the daemon does not run, and has not ended as it should: {_JOURNAL}"
    elif running_daemon.was(run_dir) or record.load(run_dir) is None:
        yield "  no daemon runs: systemctl start anycast-routed"


def _of_services(
    found: Observed | status_file.Live, daemon: status_file.Live | None
) -> Iterator[str]:
    """Tell how each service stands."""
    when = "" if daemon else " at the last run"
    for service, one in found.health.items():
        name = text.safe(service)
        if one in (Health(), last_known.UNRECORDED):
            yield f"  service {name}: {one.reason}"
        else:
            yield f"  service {name}: {one.verdict}{when}, {text.safe(one.reason)}"
        sense = daemon.senses.get(service) if daemon else None
        # A server that is down has no sockets and no processes, which is no news.
        if one.verdict is Verdict.UP and isinstance(sense, dict) and sense.get("detail"):
            detail = text.safe(str(sense["detail"]))
            yield f"! service {name}: the pulse does not have all its senses: {detail}"
    for sentence in found.damped.values():
        yield f"! {text.safe(sentence)}"
    for target, drain in found.drains.items():
        facts = ", ".join(filter(None, (str(drain.stage), text.safe(drain.detail))))
        yield f"! drain of {text.safe(target)}: {facts}"


def _drift(config: Config, speaker: Speaker, plan: Plan) -> list[str]:
    """Say where our part of the router's config is not what the next `apply` would leave."""
    try:
        wanted = cycle.render(config, speaker, plan)
    except password_files.UnreadPasswordsError:
        return []  # Nobody can tell without them.
    except ConfigError as error:
        return [f"our part of the router's config cannot be rendered: {error.message}"]
    if files.read(speaker.file) == wanted and speaker.is_loaded(wanted):
        return []
    return ["our part of the router's config is not as planned; the next apply puts it right"]


def _of_prefixes(plan: Plan, readback: Readback) -> list[str]:
    rows = [
        (
            f"+ {route.prefix}",
            *cells(route.attributes),
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
