"""Changes that the router has confirmed, as entries of the journal. Pure but for the wall clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.decide.compare import Kind
from anycast_routed.journal import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.decide.compare import Change
    from anycast_routed.model import Plan

_GONE = "no longer in the config or on this host"


def entries(
    changes: Iterable[Change],
    plan: Plan,
    evidence: Mapping[str, float],
    *,
    begun: float,
    at: float,
) -> list[Entry]:
    """Return one entry a change.

    `evidence` has the monotonic time of the first sign of what has turned a service's verdict;
    where there was none (an address has gone, the config is another one) the change began at
    `begun`. `at` is the time of the confirmation.
    """
    announced = {one.prefix: one for one in plan.announcements}
    withheld = {one.prefix: one for one in plan.withheld}
    now = time.time()
    made = []
    for change in changes:
        found = announced.get(change.prefix) or withheld.get(change.prefix)
        service = found.service if found else ""
        seconds = at - evidence.get(service, begun)
        why = _why(change, plan)
        made.append(Entry(now, str(change.kind), str(change.prefix), service, why, seconds))
    return made


def _why(change: Change, plan: Plan) -> str:
    if change.kind is Kind.WITHDRAWN:
        return next((one.detail for one in plan.withheld if one.prefix == change.prefix), _GONE)
    one = next(one for one in plan.announcements if one.prefix == change.prefix)
    attributes = f"LocalPref {one.local_pref}, next hop {one.next_hop}"
    return f"{attributes}; {one.note}" if one.note else attributes
