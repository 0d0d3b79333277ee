"""Settle which prefixes of a plan may have a blackhole route in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.blackholes import in_question, settle
from anycast_routed.errors import HostUnreadableError
from anycast_routed.observe import route_lookup
from anycast_routed.state import record

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Plan


def as_recorded(config: Config, speaker: Speaker, decided: Plan) -> Plan:
    """Settle a plan as the next step would, for verbs that only show it.

    Raises:
        RouterUnavailableError: the router does not answer.
    """
    known = record.load(config.daemon.run_dir)
    on_record = known.blackholes if known else frozenset()
    return settled(speaker, decided, tolerated(decided, on_record))


def settled(speaker: Speaker, decided: Plan, allowed: Collection[str]) -> Plan:
    """Withhold the prefixes that would need a blackhole route which does harm.

    The router and the kernel are asked only about addresses that are not on this host.
    Those `allowed`, as text, only get a finding.

    Raises:
        RouterUnavailableError: the router does not answer.
    """
    asked = in_question(decided)
    if not asked:
        return decided
    needed = speaker.blackholes(decided, asked)
    try:
        local = route_lookup.local((one.network_address for one in needed), by_host_route=True)
    except HostUnreadableError:
        local = frozenset()
    harmless = [prefix for prefix in needed if prefix.network_address in local]
    return settle(decided, needed, harmless, [one for one in asked if str(one) in allowed])


def tolerated(decided: Plan, known: Collection[str] | None) -> frozenset[str]:
    """Return the prefixes whose blackhole route is tolerated: those on record.

    Without such a record an older version, which had no such rule, ran before: all of its prefixes.
    """
    return frozenset(map(str, in_question(decided)) if known is None else known)
