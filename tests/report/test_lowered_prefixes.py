"""How a drained, damped or lowered prefix is shown and explained."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from anycast_routed.decide.diff import changes
from anycast_routed.model import (
    Announcement,
    Attributes,
    Health,
    Plan,
    Readback,
    Reason,
    Route,
    Session,
    Verdict,
    Withheld,
)
from anycast_routed.report.explain import explain
from anycast_routed.report.plan_lines import announced_lines, change_lines

PREFIX, HOP, PEER = ip_network("10.0.0.1/32"), ip_address("172.17.2.1"), ip_address("172.17.2.254")
WHY = "lowered: dns is down: SERVFAIL"
OWN = Announcement(PREFIX, "dns", "lo:dns1", Attributes(200, HOP), on_host=True)
LOW = replace(OWN, attributes=Attributes(0, HOP), note=WHY)
UP = {"dns": Health(Verdict.UP, reason="NOERROR")}
DOWN = {"dns": Health(Verdict.DOWN, reason="SERVFAIL")}


def announcing(one: Announcement) -> Plan:
    return Plan(("dns",), None, (one,), ())


def withholding(reason: Reason, detail: str) -> Plan:
    return Plan(("dns",), None, (), (Withheld(PREFIX, "dns", "lo:dns1", reason, detail),))


def router(*local_prefs: int) -> Readback:
    """Return the read-back of a router that exports the prefix with this LocalPref, or lacks it."""
    routes = tuple(Route(PREFIX, Attributes(local_pref, HOP)) for local_pref in local_prefs)
    session = Session("edge", PEER, 64512, ours=True, state="Established", established=True)
    return Readback("BIRD 2.0.12", (session,), routes, {session.name: routes})


def test_a_lowered_prefix_is_shown_with_its_reason() -> None:
    low = announcing(LOW)
    happens = "~ 10.0.0.1/32  LocalPref 200 -> 0  next hop 172.17.2.1  lo:dns1  " + WHY
    assert change_lines(low, changes(low, router(200))) == [happens]
    assert change_lines(low, changes(low, router(0))) == [f"! 10.0.0.1/32  {WHY} [AR020]"]
    lasting = "  10.0.0.1/32  LocalPref 0  next hop 172.17.2.1  lo:dns1  " + WHY
    assert announced_lines(low) == [lasting]
    assert change_lines(announcing(OWN), ()) == []


def test_an_operators_reason_is_printed_without_escapes() -> None:
    low = announcing(replace(LOW, note="draining: \x1b[2J\n"))
    assert all(line.isprintable() for line in [*announced_lines(low), *change_lines(low, ())])


def test_a_lowered_prefix_is_announced_although_its_check_fails() -> None:
    chain = explain(PREFIX, announcing(LOW), DOWN, router(0), {})
    assert [(link.name, link.holds) for link in chain] == [
        ("source", True),
        ("check", None),
        ("plan", True),
        ("router", True),
        ("peer 172.17.2.254", True),
    ]
    assert chain[2].fact == f"LocalPref 0, next hop 172.17.2.1 ({WHY})"


def test_a_lowered_prefix_that_the_router_lacks_fails_at_the_router() -> None:
    chain = explain(PREFIX, announcing(LOW), DOWN, router(), {})
    assert [link.name for link in chain if link.holds is False] == ["router"]


@pytest.mark.parametrize("health", [UP, DOWN])
def test_a_drain_is_the_first_failing_link(health: dict[str, Health]) -> None:
    drained = withholding(Reason.DRAINED, "dns is drained: new disk")
    chain = explain(PREFIX, drained, health, router(), {})
    assert [(link.name, link.holds) for link in chain] == [
        ("source", True),
        ("drain", False),
        ("router", None),
    ]
    assert chain[1].fact == "dns is drained: new disk"


def test_flapping_is_a_failing_link_after_a_passing_check() -> None:
    damped = withholding(Reason.DAMPED, "dns has gone down 3 times")
    chain = explain(PREFIX, damped, UP, router(), {})
    assert [(link.name, link.holds) for link in chain] == [
        ("source", True),
        ("check", True),
        ("damping", False),
        ("router", None),
    ]
