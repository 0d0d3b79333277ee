"""A drain at either router: loaded, known again as ours, and one UPDATE for each way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.frr.speaker import FrrSpeaker
from anycast_routed.announce.render import Renderer
from anycast_routed.lab import Host, Lab, bgp_receiver, bird, eventually, frr
from anycast_routed.model import Announcement, Peer, Plan, Route, Sessions
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.lab.bgp_receiver import Receiver

pytestmark = pytest.mark.integration

UP = "172.17.2.254"
INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
V4, V6 = (
    Announcement(ip_network(prefix), "dns", "r1", 200, ip_address(hop), on_host=True)
    for prefix, hop in (("10.10.10.10/32", "172.17.2.1"), ("fd00:10::10/128", "fd00:17:2::1"))
)
BROUGHT = Sessions(64512, IPv4Address("172.17.2.1"), (Peer(1, ip_address(UP), 64512, ""),))


def lowered(one: Announcement) -> Announcement:
    return replace(one, local_pref=0, graceful_shutdown=True, note="draining: new disk")


@dataclass
class Drained:
    """A router on dns1, told by us, and what its peer hears of it."""

    speaker: Speaker
    listener: Receiver

    def load(self, *announcements: Announcement) -> str:
        """Do what the transaction does."""
        wish = Plan(("dns",), BROUGHT, announcements, ())
        text = Renderer(self.speaker.name).render(self.speaker.variables(wish))
        self.speaker.check(text)
        if self.speaker.name == "bird":
            files.write(self.speaker.file, text)
        self.speaker.load(text)
        assert self.speaker.is_loaded(text), "what it prints is what we gave it"
        return text

    def heard(self, mark: int, count: int) -> list[tuple[str, str, int | None, tuple[str, ...]]]:
        """Wait for so many events, and give them all."""
        eventually(lambda: len(self.listener.since(mark)) >= count, within=5, why="the UPDATEs")
        return sorted(
            (event.kind, event.prefix, event.route.local_pref, event.route.communities)
            if event.route
            else (event.kind, event.prefix, None, ())
            for event in self.listener.since(mark)
        )


@pytest.fixture
def drained(lab: Lab, router_name: str) -> Drained:
    """Lay out dns1 with a router that announces both prefixes to a listener."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    dns1.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    dns1.address("lo", str(V4.prefix)).address("lo", str(V6.prefix))
    peer.address("eth0", f"{UP}/24").address("eth0", "fd00:17:2::fe/64")
    listener = bgp_receiver.start(peer, asn=64512, router_id=UP, peers={"172.17.2.1": 64512})
    site = Drained(_speaker(router_name, dns1), listener)
    site.load(V4, V6)
    eventually(lambda: len(listener.table()) == 2, within=10, why="both routes")
    return site


def _speaker(router_name: str, dns1: Host) -> Speaker:
    folder = dns1.path("/run/anycast-routed")
    if router_name == "frr":
        frr.start(dns1)
        return FrrSpeaker(dns1.path("/run/frr"), "vtysh", folder / "frr.conf")
    bird.start(dns1, bird.STOCK + INCLUDE)
    return BirdSpeaker(dns1.path("/run/bird/bird.ctl"), folder / "bird.conf")


def test_a_drain_comes_and_goes_as_one_update_a_route(drained: Drained) -> None:
    mark = drained.listener.mark()
    drained.load(lowered(V4), lowered(V6))
    low = [("announce", str(one.prefix), 0, ("65535:0",)) for one in (V4, V6)]
    assert drained.heard(mark, 2) == low
    routes = {Route(one.prefix, 0, one.next_hop) for one in (V4, V6)}
    read = drained.speaker.read()
    assert set(read.originated) == set(read.exported[ip_address(UP)]) == routes

    mark = drained.listener.mark()
    drained.load(V4, lowered(V6))
    assert drained.heard(mark, 1) == [("announce", str(V4.prefix), 200, ())]

    mark = drained.listener.mark()
    drained.load(V4)
    assert drained.heard(mark, 1) == [("withdraw", str(V6.prefix), None, ())]
    assert drained.listener.sessions() == {"172.17.2.1"}


def test_a_drained_route_is_withdrawn_by_the_short_way_too(drained: Drained) -> None:
    text = drained.load(lowered(V4), lowered(V6))
    held = {V4.prefix, V6.prefix}
    assert drained.speaker.held(text) == held
    assert drained.speaker.held(drained.speaker.without(text, [V4.prefix])) == {V6.prefix}
    drained.speaker.withdraw()
    eventually(lambda: not drained.listener.table(), within=5, why="withdrawn")
