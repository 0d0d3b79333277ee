"""What the facts cost with thousands of prefixes and drain orders, in calls of functions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

import pytest

from anycast_routed.config import Anycast, Config, Service, StaticRoute
from anycast_routed.decide.plan import plan
from anycast_routed.facts.facts import Facts
from anycast_routed.model import Held, Stage
from anycast_routed.state.drain_orders import Ordered
from tests.facts.test_facts import ASKED, HOST, PASS, folded, known
from tests.support.counted_calls import calls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.model import Drain

FIRST = IPv4Address("10.20.0.1")
SMALL, LARGE = 100, 400
MOST = 2 * LARGE / SMALL
"""Twice the growth of the work: what grows with the square needs sixteen times the calls."""


def drained(count: int) -> tuple[Facts, list[IPv4Network]]:
    """Return the facts of a service with so many prefixes, the first half of them drained."""
    prefixes = [IPv4Network(FIRST + number) for number in range(count)]
    routes = (StaticRoute(label=f"r{at}", ip=one) for at, one in enumerate(prefixes))
    anycast = Anycast(next_hop_ipv4=IPv4Address("172.17.2.1"), routes=tuple(routes))
    config = Config(services=(Service(name="dns", dns=ASKED, anycast=anycast),))
    facts = folded(Facts(config, known(), HOST), [PASS, PASS])
    facts.hold(held(facts, prefixes))
    facts.order(tuple(Ordered(str(one), "", 0.0) for one in prefixes[: count // 2]), 0.0)
    return facts, prefixes


def held(facts: Facts, prefixes: Iterable[IPv4Network]) -> Held:
    """Return that the router holds these prefixes."""
    return Held(frozenset(prefixes)).under(plan(facts.config, facts.observed(0.0)))


def stages(facts: Facts, at: float) -> list[Stage]:
    """Return how far each drain has come."""
    found: dict[str, Drain] = dict(facts.observed(at).drains)
    return [one.stage for one in found.values()]


@pytest.mark.fault(70)
def test_a_pass_costs_no_more_than_its_prefixes_however_many_are_drained() -> None:
    def cost(count: int) -> int:
        facts, prefixes = drained(count)

        def one_pass() -> None:
            facts.observed(1.0)
            facts.confirmed(plan(facts.config, facts.observed(1.0)), held(facts, prefixes), 1.0)
            facts.next_change(1.0)
            facts.observed(2.0)

        return calls(one_pass)

    assert cost(LARGE) < MOST * cost(SMALL)


@pytest.mark.fault(70)
def test_each_of_many_drains_goes_through_its_stages() -> None:
    facts, prefixes = drained(SMALL)
    drain_time = facts.config.services[0].anycast.drain_time
    assert stages(facts, 1.0) == [Stage.LOWERED] * (SMALL // 2)
    facts.confirmed(plan(facts.config, facts.observed(1.0)), held(facts, prefixes), 1.0)
    assert facts.next_change(1.0) == 1.0 + drain_time
    assert stages(facts, 1.0 + drain_time) == [Stage.OUT] * (SMALL // 2)
