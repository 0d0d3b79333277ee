"""Keep blackhole routes of the router out of the kernel where they would do harm. Pure.

A router may announce a prefix only with a route for it, and may write that route into the kernel. A
blackhole route is harmless there while the kernel delivers the address on this host anyway. But it
takes the place of any other route to the address: this host and the clients behind it then get no
answer from the server that has the address.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.plan import place
from anycast_routed.model import Code, Finding, Permit, Reason, Withheld, by_address

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.model import Announcement, BlackholeNeed, Plan, Prefix


def in_question(plan: Plan) -> tuple[Prefix, ...]:
    """Return the prefixes whose address is not on this host, without the operator's consent."""
    every = (*plan.announcements, *plan.standby)
    return tuple(one.prefix for one in every if not (one.blackhole or one.on_host))


def permits(
    plan: Plan, known: Mapping[Prefix, Permit] | None, held: Collection[Prefix]
) -> dict[Prefix, Permit]:
    """Return which prefixes in question are permitted, before the router is asked.

    `known` are the permits so far. None means that an older version ran before, which had no such
    rule: then what the router holds is tolerated, and what only a verdict or a drain withholds.

    A permit ends when the prefix leaves the config, or when its address comes onto this host.
    """
    asked = in_question(plan)
    if known is None:
        waiting = {one.prefix for one in plan.standby}
        return {one: Permit.TOLERATED for one in asked if one in held or one in waiting}
    there = {*asked, *(one.prefix for one in plan.withheld if one.prefix)}
    there -= {one.prefix for one in (*plan.announcements, *plan.standby)} - set(asked)
    return {one: permit for one, permit in known.items() if one in there}


def seen(
    plan: Plan,
    known: Mapping[Prefix, Permit],
    needed: Mapping[Prefix, BlackholeNeed],
    held: Collection[Prefix],
) -> dict[Prefix, Permit]:
    """Return the permits after the router was asked: what it keeps out now is permitted later."""
    kept = {
        one: permit
        for one, permit in known.items()
        if permit is Permit.TOLERATED or one not in needed or not needed[one].certain
    }
    asked = (one for one in in_question(plan) if one in held and one not in needed)
    return {**dict.fromkeys(asked, Permit.KEPT_OUT), **kept}


def settle(
    plan: Plan,
    needed: Mapping[Prefix, BlackholeNeed],
    harmless: Collection[Prefix],
    permitted: Mapping[Prefix, Permit],
) -> Plan:
    """Withhold the prefixes in question that the router can announce only with a blackhole route.

    `needed` are those prefixes. A blackhole route is `harmless` where the kernel delivers the
    address on this host by a route that beats it. A tolerated one has a finding. What was kept out
    so far is withheld only if the router is certain.
    """
    asked = frozenset(in_question(plan))
    free = frozenset(harmless)
    free |= {one for one, permit in permitted.items() if permit is Permit.TOLERATED}
    accepted, unsettled = asked & free, asked - free

    def freed(one: Announcement) -> Announcement:
        return replace(one, blackhole=True) if one.prefix in accepted else one

    refused = {
        one: need.why
        for one, need in needed.items()
        if one in unsettled and (need.certain or one not in permitted)
    }
    withheld = [
        Withheld(one.prefix, one.service, one.source, Reason.BLACKHOLE, refused[one.prefix])
        for one in plan.announcements
        if one.prefix in refused
    ]
    harmful = [one for one in accepted & needed.keys() if one not in harmless]
    harmful.sort(key=lambda one: by_address(one.network_address))
    findings = (Finding(Code.BLACKHOLE, str(one), needed[one].why) for one in harmful)
    return replace(
        plan,
        announcements=tuple(freed(one) for one in plan.announcements if one.prefix not in refused),
        standby=tuple(freed(one) for one in plan.standby if one.prefix not in refused),
        withheld=tuple(sorted((*plan.withheld, *withheld), key=place)),
        warnings=(*plan.warnings, *findings),
    )
