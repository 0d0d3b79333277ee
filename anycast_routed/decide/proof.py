"""Compare the router's read-back with the plan: the faults that contradict it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from anycast_routed.decide.attribute_words import contradiction
from anycast_routed.decide.attributes import agree
from anycast_routed.decide.diff import Change, changes, desired

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from anycast_routed.model import Address, Plan, Prefix, Readback, Route, Session


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the read-back contradicts the plan.

    A `blocking` fault means that the router does not run what we loaded. The others are exports
    that a neighbor does not get although the router holds the route.

    `absent` means that the router has no route for a planned prefix.
    """

    prefix: Prefix | None
    peer: Address | None
    detail: str
    blocking: bool
    absent: bool = False
    session: str = ""
    """The router's name of the session whose export is missing."""
    fix: str = ""


def bearable(plan: Plan, held: Collection[Route]) -> frozenset[Prefix]:
    """Return the prefixes that may stay as the router holds them if the plan cannot be loaded.

    A prefix that the plan lowers because its service is down may stay only where the router holds
    it with a LocalPref as low already. A prefix that is being drained may not stay: withdrawal is
    where its drain ends.
    """
    found = {route.prefix: route.local_pref for route in held if route.local_pref is not None}

    def is_low(prefix: Prefix, most: int | None) -> bool:
        return most is not None and found.get(prefix, inf) <= most

    return frozenset(
        one.prefix
        for one in plan.announcements
        if not one.note or (not one.graceful_shutdown and is_low(one.prefix, one.local_pref))
    )


def faults(plan: Plan, readback: Readback) -> tuple[Fault, ...]:
    """Return everything in the read-back that contradicts the plan.

    A session that is down is no fault: nothing can be exported there, and the session itself is
    reported.
    """
    found = [
        Fault(
            change.prefix,
            None,
            f"the router holds {_held(change)}",
            blocking=True,
            absent=change.before is None,
        )
        for change in changes(plan, readback)
    ]
    found += _wrong_sessions(plan, readback)
    found += _not_carried(plan, readback)
    reached = heard(readback)
    for session in readback.sessions:
        if session.established and (session.ours or plan.sessions is None):
            found += _wrong_exports(plan, readback, session, reached)
    return tuple(found)


def unheard(plan: Plan, readback: Readback) -> tuple[Prefix, ...]:
    """Return the planned prefixes that no neighbor gets, although a session is up."""
    if not any(session.established for session in readback.sessions):
        return ()
    reached = heard(readback)
    return tuple(a.prefix for a in plan.announcements if a.prefix not in reached)


def _held(change: Change) -> str:
    if change.before is None:
        return "no such route"
    goal = change.after or change.before
    return contradiction(change.before.attributes, goal.attributes)


def _wrong_sessions(plan: Plan, readback: Readback) -> Iterator[Fault]:
    ours = {session.address: session for session in readback.sessions if session.ours}
    peers = {peer.address: peer for peer in plan.sessions.peers} if plan.sessions else {}
    for address in peers:
        if address not in ours:
            yield Fault(None, address, "the router has no such session", blocking=True)
    for address, session in ours.items():
        if address not in peers:
            yield Fault(None, address, "our config no longer has this session", blocking=True)
        elif session.remote_as != peers[address].asn:
            detail = f"the session is with AS {session.remote_as}"
            yield Fault(None, address, detail, blocking=True)


def heard(readback: Readback) -> frozenset[Prefix]:
    """Return our prefixes that some neighbor gets, by themselves or by an aggregate."""
    exports = readback.exported.values()
    covered = (route.prefix for route in readback.originated if route.covered)
    return frozenset((*(route.prefix for routes in exports for route in routes), *covered))


def _not_carried(plan: Plan, readback: Readback) -> Iterator[Fault]:
    """Yield a fault for each planned prefix whose address family no session of the operator has.

    Sessions for one family each, side by side, are normal.
    """
    up = [session for session in readback.sessions if session.established]
    if plan.sessions is not None or not up:
        return
    carried = frozenset[int]().union(*(session.families for session in up))
    held = {route.prefix for route in readback.originated}
    for one in plan.announcements:
        if one.prefix in held and one.prefix.version not in carried:
            detail = f"not exported: no Established session carries IPv{one.prefix.version}"
            yield Fault(one.prefix, None, detail, blocking=False)


def _wrong_exports(
    plan: Plan, readback: Readback, session: Session, reached: frozenset[Prefix]
) -> Iterator[Fault]:
    """Compare the exports to one neighbor.

    Attributes are compared on our own sessions only: an operator's session may have an export
    filter that changes them. It may also refuse a prefix that another session exports, or carry
    the other address family only.
    """
    goal = desired(plan)
    exported = {route.prefix: route for route in readback.exported.get(session.name, ())}
    peer = session.address
    for prefix in exported.keys() - goal.keys():
        yield Fault(prefix, peer, "exported, but not planned", blocking=session.ours)
    held = {route.prefix for route in readback.originated if not route.covered}
    crosses_as = plan.sessions is not None and session.remote_as != plan.sessions.local_as
    for prefix, route in goal.items():
        seen = exported.get(prefix)
        if seen is None:
            due = session.ours or (prefix not in reached and prefix.version in session.families)
            if prefix in held and due:
                detail = "not exported"
                yield Fault(prefix, peer, detail, blocking=False, session=session.name)
        elif session.ours and not agree(seen.attributes, route.attributes, crosses_as=crosses_as):
            detail = f"exported as {contradiction(seen.attributes, route.attributes)}"
            yield Fault(prefix, peer, detail, blocking=True)
