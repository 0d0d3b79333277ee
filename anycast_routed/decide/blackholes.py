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
from anycast_routed.model import Code, Finding, Reason, Withheld, by_address

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.model import Announcement, Plan, Prefix


def in_question(plan: Plan) -> tuple[Prefix, ...]:
    """Return the prefixes whose address is not on this host, without the operator's consent."""
    every = (*plan.announcements, *plan.standby)
    return tuple(one.prefix for one in every if not (one.blackhole or one.on_host))


def settle(
    plan: Plan,
    needed: Mapping[Prefix, str],
    harmless: Collection[Prefix],
    tolerated: Collection[Prefix],
) -> Plan:
    """Withhold the prefixes in question that the router can announce only with a blackhole route.

    `needed` are those prefixes, each with a sentence for people. A blackhole route is `harmless`
    where the kernel delivers the address on this host by another route than an address. It is
    `tolerated`, with a finding, for what was announced before anycast-routed knew this rule: an
    upgrade must withdraw nothing.
    """
    asked = frozenset(in_question(plan))
    allowed = frozenset(harmless) | frozenset(tolerated)

    def permitted(one: Announcement) -> Announcement:
        can_have = one.prefix in asked and one.prefix in allowed
        return replace(one, blackhole=True) if can_have else one

    refused = {one: why for one, why in needed.items() if one in asked - allowed}
    withheld = [
        Withheld(one.prefix, one.service, one.source, Reason.BLACKHOLE, refused[one.prefix])
        for one in plan.announcements
        if one.prefix in refused
    ]
    harmful = (one for one in asked & needed.keys() if one in tolerated and one not in harmless)
    return replace(
        plan,
        announcements=tuple(permitted(a) for a in plan.announcements if a.prefix not in refused),
        standby=tuple(permitted(one) for one in plan.standby if one.prefix not in refused),
        withheld=tuple(sorted((*plan.withheld, *withheld), key=place)),
        warnings=(
            *plan.warnings,
            *(
                Finding(Code.BLACKHOLE, str(one), needed[one])
                for one in sorted(harmful, key=lambda one: by_address(one.network_address))
            ),
        ),
    )
