"""How a read-back is compared with a plan, and what may stay if the plan cannot be loaded."""

from ipaddress import ip_address

import pytest

from anycast_routed.decide.attribute_words import change_cells, contradiction, words
from anycast_routed.decide.diff import Kind, changes
from anycast_routed.decide.proof import bearable, faults
from anycast_routed.model import (
    GRACEFUL_SHUTDOWN,
    Announcement,
    Attributes,
    Readback,
    Session,
)
from tests.support.desired import (
    AS,
    PEER,
    announcement,
    attributes,
    draining,
    lowered,
    plan,
    route,
    sessions,
)

PREFIX = "10.0.0.1/32"
OWN = announcement(PREFIX)
DOWN = lowered(OWN, 10, "lowered: dns is down")
DRAINING = draining(OWN)
OTHER = (64512, 7)
PLAIN = attributes(200)
DRAINED = attributes(0, "172.17.2.1", GRACEFUL_SHUTDOWN)


def readback(
    held: Attributes | None, exported: Attributes | None, *, peer_as: int = AS, ours: bool = True
) -> Readback:
    """Return what a router with one Established session shows of PREFIX; None is no route."""
    session = Session("edge", ip_address(PEER), peer_as, ours, "Established", established=True)
    routes = [(route(PREFIX, one),) if one else () for one in (held, exported)]
    return Readback("BIRD 2.0.12", (session,), routes[0], {session.name: routes[1]})


@pytest.mark.parametrize(
    ("wanted", "held", "stays"),
    [
        *((OWN, 300, True), (OWN, 200, True), (OWN, None, True)),
        *((DOWN, 200, False), (DOWN, 10, True), (DOWN, 5, True), (DOWN, None, False)),
        *((DRAINING, 200, False), (DRAINING, 0, False)),
    ],
)
def test_a_prefix_that_is_down_or_drained_never_stays_as_attractive_as_it_was(
    wanted: Announcement, held: int | None, *, stays: bool
) -> None:
    decision, as_held = plan(wanted, ours=None), [route(PREFIX, attributes(held))]
    assert (OWN.prefix in bearable(decision, as_held)) is stays
    assert (OWN.prefix in bearable(decision, [])) is (wanted is OWN)
    assert not bearable(plan(ours=None), as_held)


@pytest.mark.parametrize(
    ("wanted", "shown", "detail"),
    [
        (OWN, PLAIN, ""),
        (OWN, attributes(100), "LocalPref 100, next hop 172.17.2.1"),
        (OWN, attributes(None), "LocalPref None, next hop 172.17.2.1"),
        (OWN, attributes(200, "172.17.2.9"), "LocalPref 200, next hop 172.17.2.9"),
        (OWN, attributes(200, "172.17.2.1", OTHER), ""),
        (
            OWN,
            attributes(200, "172.17.2.1", GRACEFUL_SHUTDOWN),
            "LocalPref 200, next hop 172.17.2.1, community 65535:0",
        ),
        (DRAINING, DRAINED, ""),
        (DRAINING, attributes(0, "172.17.2.1", OTHER, GRACEFUL_SHUTDOWN), ""),
        (
            DRAINING,
            attributes(0),
            "LocalPref 0, next hop 172.17.2.1, without community 65535:0",
        ),
        (
            DRAINING,
            attributes(0, "172.17.2.1", OTHER),
            "LocalPref 0, next hop 172.17.2.1, community 64512:7, without community 65535:0",
        ),
    ],
)
def test_held_and_exported_attributes_are_compared_whole(
    wanted: Announcement, shown: Attributes, detail: str
) -> None:
    desired = plan(wanted)
    good = wanted.attributes
    held = faults(desired, readback(shown, good))
    assert [(one.detail, one.blocking) for one in held] == (
        [(f"the router holds {detail}", True)] if detail else []
    )
    assert [one.kind for one in changes(desired, readback(shown, good))] == (
        [Kind.CHANGED] if detail else []
    )
    exported = faults(desired, readback(good, shown))
    assert [(one.detail, one.blocking) for one in exported] == (
        [(f"exported as {detail}", True)] if detail else []
    )


def test_across_an_as_border_local_pref_is_not_compared_and_communities_are() -> None:
    desired = plan(DRAINING, ours=sessions(PEER, peer_as=64999))
    there = attributes(None, "172.17.2.1", GRACEFUL_SHUTDOWN)
    assert faults(desired, readback(DRAINED, there, peer_as=64999)) == ()
    without = attributes(None)
    (fault,) = faults(desired, readback(DRAINED, without, peer_as=64999))
    assert fault.detail.endswith("without community 65535:0")


def test_communities_that_a_router_does_not_show_of_a_neighbor_are_no_fault() -> None:
    unknown = Attributes(0, ip_address("172.17.2.1"), None)
    assert faults(plan(DRAINING), readback(DRAINED, unknown)) == ()


def test_the_operators_own_session_may_change_every_attribute() -> None:
    other = attributes(7, "172.17.2.9", OTHER)
    assert faults(plan(DRAINING, ours=None), readback(DRAINED, other, ours=False)) == ()


def test_attributes_have_one_wording() -> None:
    assert words(PLAIN) == "LocalPref 200, next hop 172.17.2.1"
    assert words(DRAINED) == "LocalPref 0, next hop 172.17.2.1, community 65535:0"
    both = attributes(0, "172.17.2.1", OTHER, GRACEFUL_SHUTDOWN)
    assert words(both).endswith(", communities 64512:7 65535:0")
    assert contradiction(PLAIN, PLAIN) == words(PLAIN)
    assert change_cells(None, PLAIN) == ("LocalPref 200", "next hop 172.17.2.1", "")
    assert change_cells(PLAIN, DRAINED) == (
        "LocalPref 200 -> 0",
        "next hop 172.17.2.1",
        "community none -> 65535:0",
    )
    assert change_cells(DRAINED, PLAIN)[2] == "community 65535:0 -> none"
