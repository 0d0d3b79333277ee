"""Find what a plan will withdraw because its service is down, before there is the plan. Pure.

A plan of thousands of prefixes takes longer than their withdrawal may take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.candidates import No
from anycast_routed.decide.service_state import standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan, Prefix


def held_by_service(plan: Plan, held: Iterable[Prefix]) -> dict[str, frozenset[Prefix]]:
    """Return which of the prefixes that the router holds each service announces in a plan."""
    owners = {one.prefix: one.service for one in plan.announcements}
    found: dict[str, list[Prefix]] = {}
    for prefix in held:
        if (service := owners.get(prefix)) is not None:
            found.setdefault(service, []).append(prefix)
    return {service: frozenset(prefixes) for service, prefixes in found.items()}


def dead(
    config: Config,
    observed: Observed,
    before: Observed,
    held: Mapping[str, frozenset[Prefix]],
) -> frozenset[Prefix]:
    """Return the held prefixes that the plan for `observed` withholds: their service is down.

    `held` is from the plan for the same config and `before`. A service that goes down moves no
    prefix to another one, but an address that comes or goes may: then nothing is returned.
    """
    if (observed.interfaces, observed.addresses) != (before.interfaces, before.addresses):
        return frozenset()
    down = (
        held[service.name]
        for service in config.services
        if service.name in held and isinstance(standing(service, observed), No)
    )
    return frozenset().union(*down)
