"""A large service dies on a real BIRD: its withdrawal costs as much as that of a small one."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce import transaction
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.render import Renderer
from anycast_routed.announce.withdraw import withdraw
from anycast_routed.lab import Lab, bgp_receiver, bird
from tests.support.counted_calls import calls
from tests.support.desired import announcement, plan
from tests.support.dns_site import INCLUDE
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.model import Plan

pytestmark = [pytest.mark.integration, pytest.mark.fault(70)]

US, UP = "172.17.2.1", "172.17.2.254"
SMALL, LARGE = 100, 2_000


def of_service(count: int) -> Plan:
    """Return a plan with one service of so many prefixes, and a prefix of another one."""
    first = IPv4Address("10.20.0.1")
    many = [announcement(f"{first + number}/32", on_host=False) for number in range(count)]
    return plan(
        *many, announcement("10.99.0.1/32", service="web", on_host=False), services=("dns", "web")
    )


def cost_of_a_death(count: int) -> int:
    """Withdraw a service of so many prefixes; return how many functions that calls."""
    with Lab() as lab:
        dns1, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", dns1, peer)
        dns1.address("eth0", f"{US}/24")
        peer.address("eth0", f"{UP}/24")
        listener = bgp_receiver.start(peer, asn=64512, router_id=UP, peers={US: 64512})
        bird.start(dns1, bird.STOCK + INCLUDE)
        dns1.path("/run/anycast-routed").mkdir()
        file = dns1.path("/run/anycast-routed/bird.conf")
        speaker = BirdSpeaker(dns1.path(bird.CONTROL), file)
        desired = of_service(count)
        renderer = Renderer("bird", structure=speaker.layout.structure)
        text = renderer.render(speaker.variables(desired))
        transaction.bring(speaker, desired, text, speaker.read())
        eventually(lambda: len(listener.table()) == count + 1, why="all prefixes at the peer")
        gone = {one.prefix for one in speaker.read().originated} - {
            desired.announcements[-1].prefix
        }
        assert speaker.is_loaded(text)
        found = calls(lambda: withdraw(speaker, frozenset(gone)))
        eventually(lambda: listener.table().keys() == {"10.99.0.1/32"}, why="one prefix is left")
        assert {str(one) for one in speaker.layout.held(file.read_text())} == {"10.99.0.1/32"}
        assert listener.sessions() == {US}
        return found


def test_the_withdrawal_of_a_service_costs_the_same_however_many_prefixes_it_has() -> None:
    assert cost_of_a_death(LARGE) < 2 * cost_of_a_death(SMALL)
