"""A plan beside the router's word: what is still to change, and what contradicts the plan. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from anycast_routed.model import Route, by_address

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.model import Address, Plan, Prefix, Readback, Session


class Kind(StrEnum):
    """What happens to one prefix."""

    ANNOUNCED = "announced"
    WITHDRAWN = "withdrawn"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One prefix on its way from what the router has to what the plan wants."""

    kind: Kind
    prefix: Prefix
    before: Route | None
    after: Route | None


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the router's word is not the plan.

    A `blocking` fault means that the router does not run what we loaded. The others are an
    export that some neighbor does not get although we did our part.
    """

    prefix: Prefix | None
    peer: Address | None
    detail: str
    blocking: bool


def wanted(plan: Plan) -> dict[Prefix, Route]:
    """Return the routes that the router is to hold, by prefix."""
    return {a.prefix: Route(a.prefix, a.local_pref, a.next_hop) for a in plan.announcements}


def bearable(plan: Plan, held: Collection[Route]) -> frozenset[Prefix]:
    """Return the prefixes that may stay as they are where the plan cannot be carried out.

    What the plan lowers, since it is down or drained, is better gone than as attractive as it was:
    it stays only where it is held as low already. What is drained goes, which is where it is going.
    """
    low = {route.prefix: route.local_pref for route in held if route.local_pref is not None}
    return frozenset(
        one.prefix
        for one in plan.announcements
        if not one.note
        or (not one.graceful_shutdown and low.get(one.prefix, inf) <= one.local_pref)
    )


def changes(plan: Plan, readback: Readback) -> tuple[Change, ...]:
    """Return what the plan changes at the router, sorted by prefix; empty where nothing."""
    after = wanted(plan)
    before = {route.prefix: route for route in readback.originated}
    # Nearly always nothing has changed, and to sort all of thousands would take most of the time.
    changed = [one for one in before.keys() | after.keys() if before.get(one) != after.get(one)]
    return tuple(
        Change(_kind(was, goal), prefix, was, goal)
        for prefix in sorted(changed, key=_by_family)
        for was, goal in ((before.get(prefix), after.get(prefix)),)
    )


def faults(plan: Plan, readback: Readback) -> tuple[Fault, ...]:
    """Return everything in which the router's word contradicts the plan.

    A session that is down is no fault: nothing can be exported there, and it is reported as
    what it is.
    """
    found = [
        Fault(change.prefix, None, f"the router holds {_text(change.before)}", blocking=True)
        for change in changes(plan, readback)
    ]
    found += _missing_sessions(plan, readback)
    heard = _heard(readback)
    for session in readback.sessions:
        if session.established and (session.ours or plan.sessions is None):
            found += _wrong_exports(plan, readback, session, heard)
    return tuple(found)


def unheard(plan: Plan, readback: Readback) -> tuple[Prefix, ...]:
    """Return the prefixes that not one neighbor gets, although there are sessions up."""
    if not any(session.established for session in readback.sessions):
        return ()
    heard = _heard(readback)
    return tuple(a.prefix for a in plan.announcements if a.prefix not in heard)


def _missing_sessions(plan: Plan, readback: Readback) -> list[Fault]:
    ours = {session.address: session for session in readback.sessions if session.ours}
    peers = {peer.address: peer for peer in plan.sessions.peers} if plan.sessions else {}
    found = [
        Fault(None, address, "the router has no such session", blocking=True)
        for address in peers
        if address not in ours
    ]
    for address, session in ours.items():
        if address not in peers:
            found.append(Fault(None, address, "a session of ours is left over", blocking=True))
        elif session.remote_as != peers[address].asn:
            detail = f"the session is with AS {session.remote_as}"
            found.append(Fault(None, address, detail, blocking=True))
    return found


def _heard(readback: Readback) -> frozenset[Prefix]:
    exports = readback.exported.values()
    return frozenset(route.prefix for routes in exports for route in routes)


def _wrong_exports(
    plan: Plan, readback: Readback, session: Session, heard: frozenset[Prefix]
) -> list[Fault]:
    """An operator's own session may well refuse what another one lets through."""
    goal = wanted(plan)
    exported = {route.prefix: route for route in readback.exported.get(session.address, ())}
    found = [
        Fault(prefix, session.address, "exported, but not planned", blocking=session.ours)
        for prefix in exported.keys() - goal.keys()
    ]
    held = {route.prefix for route in readback.originated}
    crosses_as = plan.sessions is not None and session.remote_as != plan.sessions.local_as
    for prefix, route in goal.items():
        seen = exported.get(prefix)
        if seen is None and prefix in held and (session.ours or prefix not in heard):
            found.append(Fault(prefix, session.address, "not exported", blocking=False))
        elif (
            seen is not None
            and session.ours
            and _differs(seen, route, ignore_local_pref=crosses_as)
        ):
            detail = f"exported as {_text(seen)}"
            found.append(Fault(prefix, session.address, detail, blocking=True))
    return found


def _differs(seen: Route, goal: Route, *, ignore_local_pref: bool) -> bool:
    """LocalPref does not cross an AS border (RFC 4271 section 5.1.5)."""
    same_preference = ignore_local_pref or seen.local_pref == goal.local_pref
    return not same_preference or seen.next_hop != goal.next_hop


def _kind(before: Route | None, after: Route | None) -> Kind:
    if before is None:
        return Kind.ANNOUNCED
    return Kind.CHANGED if after else Kind.WITHDRAWN


def _text(route: Route | None) -> str:
    if route is None:
        return "no such route"
    return f"LocalPref {route.local_pref}, next hop {route.next_hop}"


def _by_family(prefix: Prefix) -> tuple[int, int]:
    return by_address(prefix.network_address)
