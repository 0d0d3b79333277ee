"""What an operator's session sends otherwise is one finding for each prefix, or one for many."""

from ipaddress import ip_address, ip_network

import pytest

from anycast_routed.decide.altered_exports import altered_exports
from anycast_routed.model import (
    GRACEFUL_SHUTDOWN,
    Attributes,
    Plan,
    Readback,
    Route,
    Session,
    Severity,
)

PEER, HOP = ip_address("192.0.2.9"), ip_address("192.0.2.1")
PLAN = Plan(services=("dns",), sessions=None, announcements=(), withheld=())


def routes(attributes: Attributes, count: int = 1) -> tuple[Route, ...]:
    """Return this many routes with the same attributes."""
    return tuple(Route(ip_network(f"10.0.0.{n}/32"), attributes) for n in range(1, count + 1))


def readback(held: Attributes, sent: Attributes, count: int = 1) -> Readback:
    """Return the read-back of a router whose one session sends other attributes than it holds."""
    session = Session("edge", PEER, 64512, ours=False, state="Established", established=True)
    exported = {"edge": routes(sent, count)}
    return Readback("BIRD 2.0.12", (session,), routes(held, count), exported)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (Attributes(200, HOP), ""),
        (Attributes(None, HOP, None), ""),
        (Attributes(200, ip_address("192.0.2.77"), ((64512, 1),)), ""),
        (Attributes(150, HOP), "exported with LocalPref 150 instead of 200"),
        (Attributes(200, HOP, (GRACEFUL_SHUTDOWN,)), "exported with community 65535:0"),
    ],
)
def test_local_pref_and_graceful_shutdown_are_compared(sent: Attributes, words: str) -> None:
    found = list(altered_exports(PLAN, readback(Attributes(200, HOP), sent)))
    assert [one.detail for one in found] == ([words] if words else [])
    assert all(one.about == f"10.0.0.1/32 to {PEER}" for one in found)
    assert all(one.severity is Severity.WARNING for one in found)


def test_a_lowered_prefix_may_be_sent_with_neither() -> None:
    low = Attributes(0, HOP, (GRACEFUL_SHUTDOWN,))
    (found,) = altered_exports(PLAN, readback(low, Attributes(150, HOP, ())))
    assert found.detail == "exported with LocalPref 150 instead of 0 and no community 65535:0"


def test_many_prefixes_of_one_session_are_one_finding() -> None:
    seen = readback(Attributes(200, HOP), Attributes(150, HOP), count=5)
    (found,) = altered_exports(PLAN, seen)
    assert found.about == f"peer {PEER}"
    assert found.detail.startswith("10.0.0.1/32 and 4 more: exported with LocalPref 150")
    ignored = [route.prefix for route in seen.originated]
    assert list(altered_exports(PLAN, seen, ignored)) == []
