"""Laws of the rule about blackhole routes: what is allowed stays, what is refused is withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.decide.blackholes import in_question, settle
from anycast_routed.model import Announcement, Code, Plan, Reason
from tests.support.desired import announcement

if TYPE_CHECKING:
    from anycast_routed.model import Prefix

PREFIXES = [f"10.0.0.{n}/32" for n in range(6)]


def made(index: int, *, on_host: bool, blackhole: bool) -> Announcement:
    one = announcement(PREFIXES[index], on_host=on_host)
    return Announcement(
        one.prefix, one.service, one.source, one.attributes, on_host, blackhole=blackhole
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a plan of up to six prefixes, announced or on standby."""
    flags = draw(
        st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=len(PREFIXES))
    )
    ones = [
        (made(n, on_host=here, blackhole=accepted), announced)
        for n, (here, accepted, announced) in enumerate(flags)
    ]
    return Plan(
        services=("dns",),
        sessions=None,
        announcements=tuple(one for one, announced in ones if announced),
        withheld=(),
        standby=tuple(one for one, announced in ones if not announced),
    )


CHOSEN = st.sets(st.sampled_from([announcement(one).prefix for one in PREFIXES]))


@given(plans(), CHOSEN, CHOSEN, CHOSEN)
def test_only_what_is_in_question_and_needs_a_blackhole_is_withheld(
    plan: Plan, needed: set[Prefix], harmless: set[Prefix], tolerated: set[Prefix]
) -> None:
    asked = frozenset(in_question(plan))
    settled = settle(plan, dict.fromkeys(needed, "why"), harmless, tolerated)
    refused = (asked & needed) - harmless - tolerated
    before = {one.prefix for one in plan.announcements}
    assert {one.prefix for one in settled.announcements} == before - refused
    assert {one.prefix for one in settled.withheld} == before & refused
    assert all(one.reason is Reason.BLACKHOLE for one in settled.withheld)
    assert refused.isdisjoint(one.prefix for one in settled.standby)
    found = {one.about for one in settled.warnings}
    assert found == {str(one) for one in (asked & needed & tolerated) - harmless}
    assert all(one.code is Code.BLACKHOLE for one in settled.warnings)


@given(plans(), CHOSEN, CHOSEN, CHOSEN)
def test_only_what_is_allowed_may_have_a_blackhole_and_attributes_never_change(
    plan: Plan, needed: set[Prefix], harmless: set[Prefix], tolerated: set[Prefix]
) -> None:
    settled = settle(plan, dict.fromkeys(needed, "why"), harmless, tolerated)
    before = {one.prefix: one for one in (*plan.announcements, *plan.standby)}
    for one in (*settled.announcements, *settled.standby):
        was = before[one.prefix]
        assert one.attributes == was.attributes
        can = one.prefix in in_question(plan) and one.prefix in harmless | tolerated
        assert one.blackhole == (was.blackhole or can)
