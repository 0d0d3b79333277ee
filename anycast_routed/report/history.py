"""Journal entries of changes that the router confirmed. Pure, but for the wall clock."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.attribute_words import words
from anycast_routed.decide.diff import Kind
from anycast_routed.report.plan_lines import NOT_PRESENT
from anycast_routed.state.journal import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.decide.diff import Change
    from anycast_routed.model import Announcement, Origin, Plan, Prefix, Withheld


def entries(
    changes: Iterable[Change],
    plan: Plan,
    evidence: Mapping[str, float],
    *,
    begun: float,
    at: float,
) -> list[Entry]:
    """Return an entry for each change.

    `evidence` has, for each service, the monotonic time of the first sign of the turn of its
    verdict. Without one (an address was removed, the config changed) the change began at `begun`.
    `at` is the time of the confirmation.
    """
    announced = {one.prefix: one for one in plan.announcements}
    # The first of several reasons; by prefix, because there may be thousands of changes.
    withheld = {one.prefix: one for one in reversed(plan.withheld) if one.prefix}
    now = time.time()
    made = []
    for change in changes:
        found = announced.get(change.prefix) or withheld.get(change.prefix)
        service = found.service if found else ""
        seconds = at - evidence.get(service, begun)
        why = _why(change, announced, withheld)
        made.append(Entry(now, str(change.kind), str(change.prefix), service, why, seconds))
    return made


def with_origins(made: Iterable[Entry], kept: Mapping[Prefix, Origin]) -> list[Entry]:
    """Add to each entry of a withdrawn prefix what announces the prefix all the same."""
    left = {str(prefix): one.made_by for prefix, one in kept.items()}
    return [
        replace(one, why=f"{one.why}; but {left[one.prefix]} still announces it")
        if one.prefix in left
        else one
        for one in made
    ]


def _why(
    change: Change,
    announced: Mapping[Prefix, Announcement],
    withheld: Mapping[Prefix, Withheld],
) -> str:
    if change.kind is Kind.WITHDRAWN:
        return withheld[change.prefix].detail if change.prefix in withheld else NOT_PRESENT
    one = announced[change.prefix]
    attributes = words(one.attributes)
    return f"{attributes}; {one.note}" if one.note else attributes
