"""A drain at each router: loaded, read back with its community, and one UPDATE for each step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import anycast_routed
from anycast_routed.announce import router_file, transaction
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.announce.render import Renderer
from anycast_routed.decide.proof import faults
from anycast_routed.errors import NotConfirmedError
from anycast_routed.lab import Host, Lab, bgp_receiver, bird, frr
from anycast_routed.model import GRACEFUL_SHUTDOWN
from anycast_routed.system import files
from tests.support.desired import PEER as UP
from tests.support.desired import announcement, attributes, draining, plan, route
from tests.support.frr_speaker import frr_speaker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.frr import Frr
    from anycast_routed.model import Announcement

pytestmark = pytest.mark.integration

INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
TEMPLATES = Path(anycast_routed.__file__).parents[1] / "templates"
V4, V6 = announcement("10.10.10.10/32"), announcement("fd00:10::10/128")


@dataclass
class Site:
    """A router on dns1 that we configure, and what its peer receives."""

    speaker: Speaker
    listener: Receiver
    frr: Frr | None

    def load(self, *announcements: Announcement) -> str:
        """Render and load as the transaction does."""
        desired = plan(*announcements)
        current, speaker = router_file.read(self.speaker), self.speaker
        renderer = Renderer(speaker.name, structure=speaker.layout.structure)
        text = renderer.render(speaker.variables(desired, current), current)
        self.speaker.check(text)
        files.write(self.speaker.file, text)
        self.speaker.load(text)
        assert self.speaker.is_loaded(text), "the router shows what we gave it"
        return text

    def receives(self, mark: int, count: int) -> list[tuple[str, str, int | None, tuple[str, ...]]]:
        """Wait for so many changes, and return them all."""
        eventually(lambda: len(self.listener.changes(mark)) >= count, why="the UPDATEs")
        return sorted(
            (event.kind, event.prefix, event.route.local_pref, event.route.communities)
            if event.route
            else (event.kind, event.prefix, None, ())
            for event in self.listener.changes(mark)
        )


@pytest.fixture
def site(lab: Lab, router_name: str) -> Site:
    """Lay out dns1 with a router that announces both prefixes to a listener."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    dns1.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    dns1.address("lo", str(V4.prefix)).address("lo", str(V6.prefix))
    peer.address("eth0", f"{UP}/24").address("eth0", "fd00:17:2::fe/64")
    listener = bgp_receiver.start(peer, asn=64512, router_id=UP, peers={"172.17.2.1": 64512})
    made = _site(router_name, dns1, listener)
    made.load(V4, V6)
    eventually(lambda: len(listener.table()) == 2, why="both routes")
    return made


def _site(router_name: str, dns1: Host, listener: Receiver) -> Site:
    directory = dns1.path("/run/anycast-routed")
    if router_name == "frr":
        router = frr.start(dns1)
        speaker = frr_speaker(dns1, directory / "frr.conf")
        return Site(speaker, listener, router)
    bird.start(dns1, bird.STOCK + INCLUDE)
    socket = dns1.path("/run/bird/bird.ctl")
    return Site(BirdSpeaker(socket, directory / "bird.conf"), listener, None)


def without_community(tmp_path: Path, name: str) -> Renderer:
    """Return a renderer whose template forgets GRACEFUL_SHUTDOWN, as an operator's own could."""
    shutil.copytree(TEMPLATES, tmp_path, dirs_exist_ok=True)
    template = tmp_path / f"{name}.conf.j2"
    source = template.read_text()
    for line in (
        '{{ " bgp_community.add((65535,0));" if route.graceful_shutdown }}',
        "{% if map.graceful_shutdown %}\n set community graceful-shutdown\n{% endif %}\n",
    ):
        source = source.replace(line, "")
    assert source != template.read_text()
    template.write_text(source)
    return Renderer(name, tmp_path)


def test_a_drain_comes_and_goes_as_one_update_a_route(site: Site) -> None:
    mark = site.listener.mark()
    site.load(draining(V4), draining(V6))
    low = [("announce", str(one.prefix), 0, ("65535:0",)) for one in (V4, V6)]
    assert site.receives(mark, 2) == low
    read = site.speaker.read()
    assert set(read.originated) == {
        route(str(one.prefix), attributes(0, next_hop, GRACEFUL_SHUTDOWN))
        for one, next_hop in ((V4, "172.17.2.1"), (V6, "fd00:17:2::1"))
    }
    assert {one.prefix for one in read.exported_by_peer()[UP]} == {V4.prefix, V6.prefix}
    assert faults(plan(draining(V4), draining(V6)), read) == ()

    mark = site.listener.mark()
    site.load(V4, draining(V6))
    assert site.receives(mark, 1) == [("announce", str(V4.prefix), 200, ())]

    mark = site.listener.mark()
    site.load(V4)
    assert site.receives(mark, 1) == [("withdraw", str(V6.prefix), None, ())]
    assert site.listener.sessions() == {"172.17.2.1"}


def test_a_drain_without_its_community_is_not_confirmed(site: Site, tmp_path: Path) -> None:
    desired = plan(draining(V4), V6)
    renderer = without_community(tmp_path, site.speaker.name)
    text = renderer.render(site.speaker.variables(desired))
    with pytest.raises(NotConfirmedError, match=r"10\.10\.10\.10/32: .*without community 65535:0"):
        transaction.bring(site.speaker, desired, text, site.speaker.read())
    eventually(lambda: str(V4.prefix) not in site.listener.table(), why="drained")
    assert str(V6.prefix) in site.listener.table()


def test_a_community_that_stays_after_the_drain_is_a_fault(site: Site) -> None:
    site.load(draining(V4), V6)
    found = faults(plan(V4, V6), site.speaker.read())
    assert [fault.detail for fault in found if fault.peer is None] == [
        "the router holds LocalPref 0, next hop 172.17.2.1, community 65535:0"
    ]


def test_other_communities_of_an_own_template_are_accepted(site: Site) -> None:
    desired = plan(draining(V4), V6)
    text = site.load(draining(V4), V6)
    own = text.replace("add((65535,0));", "add((65535,0)); bgp_community.add((64512,7));").replace(
        "set community graceful-shutdown", "set community 64512:7 graceful-shutdown"
    )
    files.write(site.speaker.file, own)
    site.speaker.load(own)
    heard = ("64512:7", "65535:0")
    eventually(lambda: set(site.listener.table()[str(V4.prefix)].communities) == set(heard))
    read = site.speaker.read()
    held = {one.prefix: one.attributes.communities for one in read.originated}
    assert held == {V4.prefix: ((64512, 7), GRACEFUL_SHUTDOWN), V6.prefix: ()}
    assert faults(desired, read) == ()


@pytest.mark.parametrize("router_name", ["frr"])
def test_a_neighbor_to_which_frr_sends_no_communities_is_a_fault(site: Site) -> None:
    site.load(draining(V4), draining(V6))
    assert site.frr is not None
    in_family = ("router bgp 64512", "address-family ipv4 unicast")
    site.frr.configure(*in_family, f"no neighbor {UP} send-community")
    found = faults(plan(draining(V4), draining(V6)), site.speaker.read())
    assert [(fault.prefix, str(fault.peer), fault.blocking) for fault in found] == [
        (V4.prefix, UP, True)
    ]
    assert found[0].detail.endswith("without community 65535:0")


def test_a_drained_route_can_be_withdrawn_without_a_load(site: Site) -> None:
    text = site.load(draining(V4), draining(V6))
    layout = site.speaker.layout
    assert layout.held(text) == {V4.prefix, V6.prefix}
    assert layout.held(layout.without(text, [V4.prefix])) == {V6.prefix}
    site.speaker.withdraw()
    eventually(lambda: not site.listener.table(), why="withdrawn")
