"""What is known without a probe, and what the operator's words on the command line stand for."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

from anycast_routed.decide.plan import plan as decide
from anycast_routed.errors import UsageError
from anycast_routed.model import Health, Verdict
from anycast_routed.reconcile import cycle
from anycast_routed.report import text
from anycast_routed.state import running_daemon
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Announcement, Observed, Plan, Prefix
    from anycast_routed.state.status_file import Live


UNRECORDED = Health(reason="no verdict on record")
"""Where no daemon runs and no run has left a verdict: there may have been one."""


def observed(config: Config, speaker: Speaker | None) -> tuple[Observed, Live | None]:
    """Return what the running daemon knows, with its word, or else what the last run has left."""
    facts = cycle.facts(config, cycle.remembered(config), speaker)
    found, daemon = facts.observed(time.monotonic()), running_daemon.said(config.daemon.run_dir)
    if daemon is None:
        health = {n: UNRECORDED if one == Health() else one for n, one in found.health.items()}
        return replace(found, health=health), None
    # A config that the daemon has not taken may have services that it does not know.
    health = {name: daemon.health.get(name, one) for name, one in found.health.items()}
    return replace(found, health=health, damped=daemon.damped, drains=daemon.drains), daemon


def assumed(config: Config, verdict: Verdict) -> tuple[Plan, Observed]:
    """Return the plan on this host with every service so and nothing drained."""
    health = Health(verdict, reason=f"assumed {verdict}")
    services = {service.name: health for service in config.services}
    facts = cycle.facts(config, Record("", "", services), None)
    found = replace(facts.observed(time.monotonic()), drains={})
    return decide(config, found), found


def prefix(given: str) -> Prefix:
    """Read a prefix.

    Raises:
        UsageError: it is none.
    """
    try:
        return ip_network(given)
    except ValueError:
        message = f"{text.safe(given)!r} is not a prefix"
        raise UsageError(message, hint="write it as 192.0.2.1/32 or 2001:db8::1/128") from None


def spelled(target: str) -> str:
    """Return a target as a plan writes it: a prefix in its one spelling, a name as it is."""
    try:
        return str(ip_network(target))
    except ValueError:
        return target


def of_targets(config: Config, targets: list[str]) -> tuple[Announcement, ...]:
    """Return what would be announced of these services and prefixes if all were well.

    Raises:
        UsageError: there is no such service or prefix; the hint has what there is.
    """
    best, _ = assumed(config, Verdict.UP)
    prefixes = [str(one.prefix) for one in best.announcements]
    prefixes += [str(one.prefix) for one in best.withheld if one.prefix]
    there_are = [*best.services, *dict.fromkeys(prefixes)]
    for target in targets:
        if target not in there_are:
            message = f"no service and no prefix here is {text.safe(target)!r}"
            raise UsageError(message, hint=f"there are: {', '.join(there_are)}")
    return tuple(
        one for one in best.announcements if one.service in targets or str(one.prefix) in targets
    )
