"""An overview: the router's read-back, with what the daemon or the last run knows."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, owner
from anycast_routed.config import password_files
from anycast_routed.decide.altered_exports import altered_exports
from anycast_routed.decide.origins import origin_findings, still_announced
from anycast_routed.decide.origins import wanted as wanted_by
from anycast_routed.decide.plan import plan as decide
from anycast_routed.decide.plan_warnings import without_labels
from anycast_routed.decide.proof import faults
from anycast_routed.decide.service_state import health_by_service
from anycast_routed.errors import ConfigError, UsageError
from anycast_routed.model import Code, Finding, Health
from anycast_routed.reconcile import after_proof, answering, blackholes, last_known
from anycast_routed.reconcile.host_findings import of_host, of_sockets
from anycast_routed.reconcile.rendering import render
from anycast_routed.report import findings, plan_lines, text
from anycast_routed.state import record, running_daemon, status_file
from anycast_routed.state.documents import plain
from anycast_routed.system import files, lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.decide.proof import Fault
    from anycast_routed.model import Observed, Plan, Prefix, Readback


_OF_DAEMON = frozenset(
    {Code.PREFIX_REFUSED, Code.NOT_ON_HOST, Code.NOT_ANSWERED, Code.CHECK_ON_TRIAL}
)
_JOURNAL = "journalctl -u anycast-routed"


@dataclass(frozen=True, slots=True)
class Overview:
    """The same facts for programs and for people."""

    facts: dict[str, object]
    lines: list[str]
    confirmed: bool = True
    """No prefix is announced that should be gone."""


def look(config: Config, wanted: Prefix | None) -> Overview:
    """Read the router, the daemon's status and the last record; run no check, change nothing.

    Raises:
        UsageError: there is no such prefix.
        RouterUnavailableError, AccessDeniedError: the router or a file cannot be read.
    """
    config = password_files.read(config)
    speaker = choose.choose(config)
    observed, daemon = last_known.observed(config, speaker)
    whole = blackholes.as_recorded(config, speaker, decide(config, observed))
    plan, readback = _only(whole, speaker.read(), wanted)
    wrong, further = _explained(speaker, plan, _about(wanted, faults(plan, readback)))
    noted = [*_of_host(config, speaker, observed, whole, daemon), *_of_plan(config, plan, daemon)]
    noted += _drift(config, speaker, whole) if daemon is None else ()
    health = health_by_service(observed.checks)
    services = _of_services(health, observed, daemon)
    origins, planned = further.origins, wanted_by(plan)
    of_router = [*findings.of_router(readback, wrong, plan), *altered_exports(plan, readback)]
    found = [*services, *of_router, *origin_findings(planned, origins), *noted]
    facts: dict[str, object] = {
        "daemon": None if daemon is None else _facts(daemon),
        "health": health,
        "drains": observed.drains,
        "damped": observed.damped,
        **_plan_facts(plan, readback),
        "origins": origins,
        "faults": wrong,
        "findings": found,
        "notes": [str(one) for one in noted],
    }
    head = [*_head(config.daemon.run_dir, daemon), *_service_lines(health, daemon)]
    head += findings.lines(services)
    lines = [
        *(head if wanted is None else ()),
        *(*plan_lines.held_lines(readback), *plan_lines.change_lines(plan, ())),
        *findings.lines(found[len(services) :]),
        plan_lines.confirmation(readback, wanted),
    ]
    return Overview(facts, lines, confirmed=not still_announced(planned, origins))


def of_daemon(run_dir: Path, *, refused: bool) -> list[str]:
    """Return what the daemon reports, where neither the router nor the config need answer.

    `refused`: the config file is wrong, so the daemon runs with an older one.
    """
    daemon = running_daemon.said(run_dir)
    if daemon is None:
        return []
    detail = "the config file is refused: the old config stays in force"
    fix = "see: anycast-routed validate"
    old = [Finding(Code.CONFIG_REFUSED, "", detail, fix)] if refused else []
    found = [*old, *_of_services(daemon.health, daemon, daemon), *daemon.findings]
    return [
        *_head(run_dir, daemon),
        *_service_lines(daemon.health, daemon),
        *findings.lines(found),
    ]


def _plan_facts(plan: Plan, readback: Readback) -> dict[str, object]:
    return {
        "router": readback.router,
        "announcements": plan.announcements,
        "withheld": plan.withheld,
        "originated": readback.originated,
        "sessions": readback.sessions,
        "exported": readback.exported_by_peer(),
    }


def _facts(daemon: status_file.Live) -> Mapping[str, object]:
    names = ("pid", "since", "config", "problems", "findings", "trials", "senses")
    facts = {name: plain(getattr(daemon, name)) for name in names}
    return {**facts, "troubles": [f"! {one}" for one in daemon.findings]}


def _head(run_dir: Path, daemon: status_file.Live | None) -> Iterator[str]:
    """Say whether a daemon runs, and what its problems are."""
    if daemon is not None:
        since = time.strftime("%F %T", time.localtime(daemon.since))
        yield f"  the daemon runs: PID {daemon.pid}, since {since}"
        problems = (findings.of_problem(*one) for one in daemon.problems.items())
        yield from findings.lines(problems)
    elif running_daemon.has_unknown_holder(run_dir):
        detail = f"an unknown process holds the lock of {run_dir}"
        yield from findings.lines([Finding(Code.LOCK_HOLDER_UNKNOWN, "", detail, lock.UNKNOWN)])
    elif status_file.load(run_dir) is not None:
        detail = "the daemon does not run, and did not end properly"
        yield from findings.lines([Finding(Code.DAEMON_DIED, "", detail, f"see: {_JOURNAL}")])
    elif running_daemon.was_last(run_dir) or record.load(run_dir) is None:
        yield "  no daemon runs: systemctl start anycast-routed"


def _service_lines(health: Mapping[str, Health], daemon: status_file.Live | None) -> Iterator[str]:
    """Yield the verdict on each service."""
    when = "" if daemon else " at the last run"
    for service, one in health.items():
        name = text.safe(service)
        if one in (Health(), last_known.UNRECORDED):
            yield f"  service {name}: {one.reason}"
        else:
            yield f"  service {name}: {one.verdict}{when}, {text.safe(one.reason)}"


def _explained(
    speaker: Speaker, plan: Plan, wrong: tuple[Fault, ...]
) -> tuple[tuple[Fault, ...], after_proof.Answers]:
    further = after_proof.ask(speaker, plan, wrong, None)
    return after_proof.with_causes(wrong, further), further


def _about(wanted: Prefix | None, found: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(one for one in found if wanted in (None, one.prefix))


def _of_host(
    config: Config,
    speaker: Speaker,
    observed: Observed,
    plan: Plan,
    daemon: status_file.Live | None,
) -> list[Finding]:
    """Return what concerns the router's own files, the labels, and the DNS servers' sockets."""
    of_router = [*owner.finding(speaker), *speaker.notes(), *without_labels(config, observed)]
    on_host = of_host(config, observed, daemon=daemon is not None)
    return [*of_router, *on_host, *of_sockets(config, observed, plan.announcements)]


def _of_plan(config: Config, plan: Plan, daemon: status_file.Live | None) -> list[Finding]:
    """Return what concerns announced addresses; the daemon has asked them already."""
    found = [one for one in plan.warnings if one.code is Code.BLACKHOLE]
    if daemon is not None:
        return [*found, *_said(daemon)]
    return [*found, *last_known.failed_trials(config), *answering.look(config, plan)]


def _said(daemon: status_file.Live) -> list[Finding]:
    """Return what only the daemon knows: what the router said while the daemon loaded, say."""
    return [one for one in daemon.findings if one.code in _OF_DAEMON]


def _of_services(
    health: Mapping[str, Health],
    found: Observed | status_file.Live,
    daemon: status_file.Live | None,
) -> list[Finding]:
    senses = daemon.senses if daemon else {}
    return list(findings.of_services(health, found.damped, found.drains, senses))


def _drift(config: Config, speaker: Speaker, plan: Plan) -> list[Finding]:
    """Return a finding where the router's config is not what the next `apply` would leave."""
    if not record.load(config.daemon.run_dir):
        return []
    try:
        wanted = render(config, speaker, plan)
    except password_files.UnreadPasswordsError:
        return []  # Without the passwords nothing can be compared.
    except ConfigError as error:
        detail = f"our part of the router's config cannot be rendered: {error.message}"
        return [Finding(Code.CANNOT_RENDER, "", detail, error.hint)]
    if files.read(speaker.file) == wanted and speaker.is_loaded(wanted):
        return []
    detail = "our part of the router's config is not as planned"
    return [Finding(Code.ROUTER_CONFIG_DIFFERS, "", detail, "the next apply repairs it")]


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
