"""Settle which prefixes of a plan may have a blackhole route in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.blackholes import in_question, permits, seen, settle
from anycast_routed.errors import HostUnreadableError
from anycast_routed.model import Permit
from anycast_routed.observe import route_lookup
from anycast_routed.state import record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Plan, Prefix


def as_recorded(config: Config, speaker: Speaker, decided: Plan) -> Plan:
    """Settle a plan as the next step would, for verbs that only show it.

    Raises:
        RouterUnavailableError: the router does not answer.
    """
    known = record.load(config.daemon.run_dir)
    on_record = known.blackholes if known else {}
    held = frozenset(in_question(decided)) if on_record is None else frozenset()
    return settled(speaker, decided, on_record, held)[0]


def settled(
    speaker: Speaker,
    decided: Plan,
    known: Mapping[Prefix, Permit] | None,
    held: Collection[Prefix],
) -> tuple[Plan, dict[Prefix, Permit]]:
    """Withhold the prefixes that would need a blackhole route which does harm.

    The router and the kernel are asked only about addresses that are not on this host. `known` are
    the permits so far (see `decide.blackholes.permits`), and `held` is what the router holds.
    Return the plan, and the permits from now on.

    Raises:
        RouterUnavailableError: the router does not answer.
    """
    permitted = permits(decided, known, held)
    asked = in_question(decided)
    if not asked:
        return decided, permitted
    needed = speaker.blackholes(decided, asked)
    if not needed and Permit.TOLERATED not in permitted.values():
        return decided, seen(decided, permitted, needed, held)
    try:
        local = route_lookup.local((one.network_address for one in needed), by_host_route=True)
    except HostUnreadableError:
        local = frozenset()
    harmless = [prefix for prefix in needed if prefix.network_address in local]
    plan = settle(decided, needed, harmless, permitted)
    return plan, seen(decided, permitted, needed, held)
