"""How a prefix that is drained, damped or lowered is told of, and how explained."""

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
from anycast_routed.report.text import announced_lines, change_lines

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
    """Give the word of a router that exports the prefix with this LocalPref, or not."""
    routes = tuple(Route(PREFIX, Attributes(local_pref, HOP)) for local_pref in local_prefs)
    session = Session("edge", PEER, 64512, ours=True, state="Established", established=True)
    return Readback("BIRD 2.0.12", (session,), routes, {PEER: routes})


def test_a_prefix_that_is_lowered_tells_why_once_it_happens_and_as_long_as_it_lasts() -> None:
    low = announcing(LOW)
    happens = "~ 10.0.0.1/32  LocalPref 200 -> 0  next hop 172.17.2.1  lo:dns1  " + WHY
    assert change_lines(low, changes(low, router(200))) == [happens]
    assert change_lines(low, changes(low, router(0))) == [f"! 10.0.0.1/32  {WHY}"]
    lasting = "  10.0.0.1/32  LocalPref 0  next hop 172.17.2.1  lo:dns1  " + WHY
    assert announced_lines(low) == [lasting]
    assert change_lines(announcing(OWN), ()) == []


def test_what_an_operator_has_written_cannot_hurt_a_terminal() -> None:
    low = announcing(replace(LOW, note="draining: \x1b[2J\n"))
    assert all(line.isprintable() for line in [*announced_lines(low), *change_lines(low, ())])


def test_one_that_is_lowered_is_announced_although_its_check_says_no() -> None:
    chain = explain(PREFIX, announcing(LOW), DOWN, router(0))
    assert [(link.name, link.holds) for link in chain] == [
        ("source", True),
        ("check", None),
        ("plan", True),
        ("router", True),
        ("peer 172.17.2.254", True),
    ]
    assert chain[2].fact == f"LocalPref 0, next hop 172.17.2.1 ({WHY})"


def test_one_that_is_lowered_and_missing_at_the_router_is_the_routers_no() -> None:
    chain = explain(PREFIX, announcing(LOW), DOWN, router())
    assert [link.name for link in chain if link.holds is False] == ["router"]


@pytest.mark.parametrize("health", [UP, DOWN])
def test_a_drain_is_the_first_no_whatever_the_check_says(health: dict[str, Health]) -> None:
    drained = withholding(Reason.DRAINED, "dns is drained: new disk")
    chain = explain(PREFIX, drained, health, router())
    assert [(link.name, link.holds) for link in chain] == [
        ("source", True),
        ("drain", False),
        ("router", None),
    ]
    assert chain[1].fact == "dns is drained: new disk"


def test_flapping_is_a_no_behind_a_check_that_passes() -> None:
    damped = withholding(Reason.DAMPED, "dns has gone down 3 times")
    chain = explain(PREFIX, damped, UP, router())
    assert [(link.name, link.holds) for link in chain] == [
        ("source", True),
        ("check", True),
        ("damping", False),
        ("router", None),
    ]
