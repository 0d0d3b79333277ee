"""Compare what the router holds with what is desired: the changes that a plan makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from anycast_routed.decide.attributes import agree
from anycast_routed.model import Route, by_address

if TYPE_CHECKING:
    from anycast_routed.model import Plan, Prefix, Readback


class Kind(StrEnum):
    """What happens to one prefix."""

    ANNOUNCED = "announced"
    WITHDRAWN = "withdrawn"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One prefix on its way from held to desired."""

    kind: Kind
    prefix: Prefix
    before: Route | None
    """The route that the router holds; None where it holds none."""
    after: Route | None
    """The desired route; None where the prefix is withdrawn."""


def desired(plan: Plan) -> dict[Prefix, Route]:
    """Return the routes that the router must hold, by prefix."""
    return {one.prefix: Route(one.prefix, one.attributes) for one in plan.announcements}


def changes(plan: Plan, readback: Readback) -> tuple[Change, ...]:
    """Return what the plan changes at the router, sorted by prefix; empty where nothing."""
    after = desired(plan)
    before = {route.prefix: route for route in readback.originated}
    # Nearly always nothing has changed, and sorting thousands would take most of the time.
    changed = [
        prefix
        for prefix in before.keys() | after.keys()
        if not _same(before.get(prefix), after.get(prefix))
    ]
    return tuple(
        Change(_kind(was, goal), prefix, was, goal)
        for prefix in sorted(changed, key=_by_family)
        for was, goal in ((before.get(prefix), after.get(prefix)),)
    )


def _same(was: Route | None, goal: Route | None) -> bool:
    if was is None or goal is None:
        return was is goal
    return agree(was.attributes, goal.attributes)


def _kind(before: Route | None, after: Route | None) -> Kind:
    if before is None:
        return Kind.ANNOUNCED
    return Kind.CHANGED if after else Kind.WITHDRAWN


def _by_family(prefix: Prefix) -> tuple[int, int]:
    return by_address(prefix.network_address)
