"""Laws of the rule about blackhole routes: what is allowed stays, what is refused is withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.decide.blackholes import in_question, permits, seen, settle
from anycast_routed.model import Announcement, BlackholeNeed, Code, Permit, Plan, Reason
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


ALL = [announcement(one).prefix for one in PREFIXES]
CHOSEN = st.sets(st.sampled_from(ALL))
NEEDED = st.dictionaries(
    st.sampled_from(ALL), st.builds(BlackholeNeed, st.just("why"), st.booleans())
)
PERMITS = st.dictionaries(st.sampled_from(ALL), st.sampled_from(Permit))


@given(plans(), NEEDED, CHOSEN, PERMITS)
def test_only_what_is_in_question_and_needs_a_blackhole_is_withheld(
    plan: Plan,
    needed: dict[Prefix, BlackholeNeed],
    harmless: set[Prefix],
    permitted: dict[Prefix, Permit],
) -> None:
    asked = frozenset(in_question(plan))
    settled = settle(plan, needed, harmless, permitted)
    tolerated = {one for one, why in permitted.items() if why is Permit.TOLERATED}
    unsure = {one for one, need in needed.items() if not need.certain and one in permitted}
    refused = (asked & needed.keys()) - harmless - tolerated - unsure
    before = {one.prefix for one in plan.announcements}
    assert {one.prefix for one in settled.announcements} == before - refused
    assert {one.prefix for one in settled.withheld} == before & refused
    assert all(one.reason is Reason.BLACKHOLE for one in settled.withheld)
    assert refused.isdisjoint(one.prefix for one in settled.standby)
    found = {one.about for one in settled.warnings}
    assert found == {str(one) for one in (asked & needed.keys() & tolerated) - harmless}
    assert all(one.code is Code.BLACKHOLE for one in settled.warnings)


@given(plans(), NEEDED, CHOSEN, PERMITS)
def test_only_what_is_allowed_may_have_a_blackhole_and_attributes_never_change(
    plan: Plan,
    needed: dict[Prefix, BlackholeNeed],
    harmless: set[Prefix],
    permitted: dict[Prefix, Permit],
) -> None:
    settled = settle(plan, needed, harmless, permitted)
    before = {one.prefix: one for one in (*plan.announcements, *plan.standby)}
    for one in (*settled.announcements, *settled.standby):
        was = before[one.prefix]
        assert one.attributes == was.attributes
        free = one.prefix in harmless or permitted.get(one.prefix) is Permit.TOLERATED
        can = one.prefix in in_question(plan) and free
        assert one.blackhole == (was.blackhole or can)


@given(plans(), CHOSEN)
def test_after_an_older_version_only_what_was_announced_or_waits_is_tolerated(
    plan: Plan, held: set[Prefix]
) -> None:
    found = permits(plan, None, held)
    waiting = {one.prefix for one in plan.standby}
    assert found.keys() == set(in_question(plan)) & (held | waiting)
    assert set(found.values()) <= {Permit.TOLERATED}


@given(plans(), PERMITS, NEEDED, CHOSEN)
def test_a_permit_ends_with_its_cause_and_is_only_given_for_what_was_seen(
    plan: Plan,
    known: dict[Prefix, Permit],
    needed: dict[Prefix, BlackholeNeed],
    held: set[Prefix],
) -> None:
    asked = set(in_question(plan))
    kept = permits(plan, known, held)
    assert kept.keys() <= known.keys() & asked, "what left the plan, or is here, needs none"
    after = seen(plan, kept, needed, held)
    for one, permit in after.items():
        if permit is Permit.TOLERATED:
            assert known[one] is Permit.TOLERATED
        elif one not in kept:
            assert one in asked & held
            assert one not in needed
        elif one in needed:
            assert not needed[one].certain
