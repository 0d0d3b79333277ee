"""FrrSpeaker on a real FRR, judged by what its peer receives and by FRR's running config.

The module is long because all tests share one site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.frr.config_lines import parse
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.render import Renderer
from anycast_routed.errors import (
    ConfigError,
    RejectedError,
    RouterUnavailableError,
)
from anycast_routed.lab import Host, Lab, bgp_receiver, frr
from tests.support.desired import announcement, attributes, plan, route, sessions
from tests.support.frr_speaker import frr_speaker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from anycast_routed.announce.frr.config_lines import Line
    from anycast_routed.announce.frr.speaker import FrrSpeaker
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.frr import Frr
    from anycast_routed.model import Plan

pytestmark = pytest.mark.integration

UP = "172.17.2.254"
V4, V6, OFF = "10.10.10.10/32", "fd00:10::10/128", "10.99.0.1/32"
OPERATOR = """\
ip route 10.1.0.0/16 blackhole
ip route 10.99.0.1/32 172.17.2.77
route-map THEIRS permit 10
 set metric 7
exit
router bgp 64512
 bgp router-id 9.9.9.9
 no bgp default ipv4-unicast
 neighbor 172.17.2.77 remote-as 65077
 neighbor 172.17.2.77 description  two  spaces
 address-family ipv4 unicast
  network 10.1.0.0/16 route-map THEIRS
  redistribute static
  neighbor 172.17.2.77 activate
 exit-address-family
exit
router bgp 64999 vrf red
 neighbor 172.17.2.254 remote-as 1
 address-family ipv4 unicast
  network 10.10.10.10/32
 exit-address-family
exit
"""


def visible(lines: Iterable[Line]) -> list[Line]:
    """Leave out the headers of families: FRR shows only those with lines in them."""
    return [line for line in lines if not line.text.startswith("address-family ")]


BOTH = (announcement(V4), announcement(V6))


def render(speaker: FrrSpeaker, desired: Plan) -> str:
    return Renderer("frr").render(speaker.variables(desired))


def load(speaker: FrrSpeaker, desired: Plan) -> str:
    """Render and load as the transaction does."""
    text = render(speaker, desired)
    speaker.check(text)
    speaker.load(text)
    assert speaker.is_loaded(text)
    return text


@dataclass
class Site:
    """dns1 with FRR, and a listener at UP."""

    lab: Lab
    dns1: Host
    listener: Receiver
    router: Frr
    speaker: FrrSpeaker

    def start(self, conf: str) -> None:
        """Start FRR anew with this frr.conf."""
        for daemon in reversed(self.router.daemons.values()):
            daemon.kill()
        self.router = frr.start(self.dns1, conf)

    def config(self) -> str:
        """Return the whole running config."""
        return self.router.vtysh("show running-config")

    def theirs(self) -> list[Line]:
        """Return the operator's lines, in their order."""
        running = Running(self.config())
        return visible(line for line in running.lines if not running.owns(line))

    def hears(self, wanted: Mapping[str, tuple[int | None, str]]) -> None:
        """Wait until the listener holds exactly this."""
        eventually(lambda: self.table() == wanted, why=str(wanted))

    def table(self) -> dict[str, tuple[int | None, str]]:
        """Return what the listener holds: prefix -> LocalPref, next hop."""
        routes = self.listener.table()
        return {prefix: (route.local_pref, route.next_hop) for prefix, route in routes.items()}


ALL = {V4: (200, "172.17.2.1"), V6: (200, "fd00:17:2::1")}


@pytest.fixture
def site(lab: Lab) -> Site:
    """Lay out dns1 with an empty FRR, and a listener at UP."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    dns1.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    dns1.address("lo", V4, label="lo:dns1").address("lo", V6)
    peer.address("eth0", f"{UP}/24").address("eth0", "fd00:17:2::fe/64")
    listener = bgp_receiver.start(peer, asn=64512, router_id=UP, peers={"172.17.2.1": 64512})
    router = frr.start(dns1)
    speaker = frr_speaker(dns1, dns1.path("/run/anycast-routed/frr.conf"))
    return Site(lab, dns1, listener, router, speaker)


def test_from_nothing_to_announced_changed_and_withdrawn(site: Site) -> None:
    speaker = site.speaker
    load(speaker, plan(*BOTH, announcement(OFF, on_host=False)))
    site.hears(ALL | {OFF: (200, "172.17.2.1")})
    read = speaker.read()
    assert re.fullmatch(r"FRR \d+\.[\d.]+", read.router)
    (session,) = read.sessions
    assert (session.ours, session.established, session.remote_as) == (True, True, 64512)
    wanted = {
        route(V4, attributes(200, "172.17.2.1")),
        route(OFF, attributes(200, "172.17.2.1")),
        route(V6, attributes(200, "fd00:17:2::1")),
    }
    assert set(read.originated) == wanted
    shown = {(one.prefix, one.local_pref, one.next_hop) for one in read.exported[UP]}
    assert shown == {(one.prefix, one.local_pref, one.next_hop) for one in wanted}

    mark = site.listener.mark()
    load(speaker, plan(announcement(V4, 100), announcement(V6), announcement(OFF, on_host=False)))
    (event,) = eventually(lambda: site.listener.changes(mark))
    assert (event.kind, event.prefix) == ("announce", V4)
    assert site.table()[V4] == (100, "172.17.2.1")

    mark = site.listener.mark()
    speaker.load(render(speaker, plan(announcement(V6))))
    eventually(lambda: len(site.listener.changes(mark)) == 2)
    gone = site.listener.changes(mark)
    assert sorted((e.kind, e.prefix) for e in gone) == [("withdraw", V4), ("withdraw", OFF)]
    assert site.listener.sessions() == {"172.17.2.1"}
    assert "blackhole" not in site.config()
    assert site.config().count("-172.17.2.1") == 0, "an unused map is removed"


def test_the_operators_lines_stay_as_they_are(site: Site) -> None:
    site.start(OPERATOR)
    before = site.config()
    load(site.speaker, plan(*BOTH, announcement(OFF, on_host=False)))
    site.hears(ALL | {OFF: (200, "172.17.2.1")})
    load(site.speaker, plan(announcement(V4, 50)))
    site.hears({V4: (50, "172.17.2.1")})
    assert site.theirs() == visible(parse(before))
    site.speaker.load("")
    assert site.config() == before


def test_the_operators_sessions_export_what_we_provide(site: Site) -> None:
    site.start(
        "router bgp 64512\n neighbor 172.17.2.254 remote-as 64512\n"
        " address-family ipv4 unicast\n  network 172.17.2.0/24\n exit-address-family\n"
        " address-family ipv6 unicast\n  neighbor 172.17.2.254 activate\n"
        " exit-address-family\nexit\n"
    )
    before = site.config()
    load(site.speaker, plan(*BOTH, ours=None))
    site.hears({"172.17.2.0/24": (100, "172.17.2.1"), **ALL})
    read = site.speaker.read()
    assert [session.ours for session in read.sessions] == [False]
    assert {route.prefix for route in read.exported[UP]} == {one.prefix for one in BOTH}
    site.speaker.load("")
    assert site.config() == before


def test_without_a_bgp_instance_nothing_can_be_announced(site: Site) -> None:
    with pytest.raises(ConfigError, match="no BGP instance"):
        site.speaker.variables(plan(*BOTH, ours=None))


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        ("router bgp 65000\n", "AS 64512 is wanted.*65000"),
        (f"router bgp 64512\n neighbor {UP} remote-as 64512\n", f"neighbor {UP}"),
    ],
)
def test_a_line_that_the_operator_has_already_is_refused_by_name(
    site: Site, conf: str, says: str
) -> None:
    site.router.vtysh("configure terminal\n" + conf.rstrip())
    before = site.config()
    text = render(site.speaker, plan(*BOTH, announcement(OFF, on_host=False)))
    site.speaker.check(text)
    with pytest.raises(ConfigError, match=says):
        site.speaker.load(text)
    assert site.config() == before


@pytest.mark.parametrize("render_first", [True, False], ids=["while loading", "before"])
@pytest.mark.parametrize(
    ("opener", "line", "taken"),
    [
        ("router bgp 64512\naddress-family ipv4 unicast\n", f"network {V4}", V4),
        ("", f"ip route {OFF} 172.17.2.9 250", None),
    ],
    ids=["network", "static"],
)
def test_a_prefix_that_the_operator_has_already_is_left_out_and_named(
    site: Site, opener: str, line: str, taken: str | None, *, render_first: bool
) -> None:
    """`render_first`: the operator enters the line after we have rendered."""
    site.router.vtysh("configure terminal\nrouter bgp 64512\nbgp always-compare-med")
    planned = plan(*BOTH, announcement(OFF, on_host=False))
    text = render(site.speaker, planned)
    site.router.vtysh(f"configure terminal\n{opener}{line}")
    if not render_first:
        text = render(site.speaker, planned)
        assert site.speaker.layout.held(text) == {
            one.prefix for one in planned.announcements if str(one.prefix) != taken
        }
    site.speaker.check(text)
    said = site.speaker.load(text)
    assert f"`{line}`" in said
    assert line in [one.strip() for one in site.config().splitlines()]
    wanted = {V4, V6, OFF} - {taken}
    assert {str(one) for one in Running(site.config()).networks} == wanted
    again = render(site.speaker, planned)
    assert site.speaker.is_loaded(again), "nothing is loaded again and again"


def test_withdraw_removes_only_networks_and_their_statics(site: Site) -> None:
    load(site.speaker, plan(*BOTH, announcement(OFF, on_host=False)))
    site.hears(ALL | {OFF: (200, "172.17.2.1")})
    site.speaker.withdraw(frozenset({ip_network(V4), ip_network("192.0.2.1/32")}))
    site.hears({V6: ALL[V6], OFF: (200, "172.17.2.1")})
    site.speaker.withdraw()
    site.hears({})
    config = site.config()
    assert "blackhole" not in config
    assert "route-map ANYCAST-ROUTED-OUT out" in config
    assert site.listener.sessions() == {"172.17.2.1"}
    site.speaker.withdraw()


@pytest.mark.fault(25)
def test_what_is_refused_half_way_is_put_back_but_never_a_withdrawal(site: Site) -> None:
    text = load(site.speaker, plan(announcement(V4), announcement(OFF, on_host=False)))
    site.hears({V4: ALL[V4], OFF: (200, "172.17.2.1")})
    before = site.config()
    # The router's own address as a neighbor: only bgpd itself refuses it.
    bad = plan(announcement(V4, 50), announcement(V6), ours=sessions(UP, "172.17.2.1"))
    with pytest.raises(RejectedError, match="local system as neighbor"):
        site.speaker.load(render(site.speaker, bad))
    networks = site.speaker.layout.without(text, [ip_network(OFF)])
    assert site.speaker.is_loaded(networks)
    assert site.config() == "\n".join(
        line
        for line in before.split("\n")
        if f"network {OFF}" not in line and not line.endswith(" 250")
    ).replace("!\n!\nrouter bgp", "!\nrouter bgp")
    site.hears({V4: ALL[V4]})


@pytest.mark.fault(25)
def test_a_first_load_that_is_refused_leaves_nothing_behind(site: Site) -> None:
    before = site.config()
    with pytest.raises(RejectedError):
        site.speaker.load(render(site.speaker, plan(*BOTH, ours=sessions(UP, "172.17.2.1"))))
    assert site.config() == before


@pytest.mark.parametrize(
    "line",
    [
        "hostname evil",
        "router ospf",
        f"router bgp 64512\n address-family ipv4 unicast\n  network {V4}",
        "router bgp 64512\n neighbor 10.0.0.1 remote-as 64512",
        "route-map ANYCAST-ROUTED-X permit 10\n set tag twelve",
        "route-map ANYCAST-ROUTED-X permit 10\n description a|b",
        "route-map ANYCAST-ROUTED-X permit 10\n description " + "x" * 2000,
    ],
)
def test_a_text_with_lines_that_are_not_ours_is_refused_with_the_line(
    site: Site, line: str
) -> None:
    before = site.config()
    number = len(line.split("\n"))
    with pytest.raises(RejectedError, match=rf"line {number}\b"):
        site.speaker.check(line + "\n")
    assert site.config() == before


@pytest.mark.fault(27)
def test_drift_in_our_lines_is_seen_and_put_right(site: Site) -> None:
    text = load(site.speaker, plan(*BOTH))
    for edit in (
        "route-map ANYCAST-ROUTED-200-172.17.2.1 permit 10\nset local-preference 7",
        "route-map ANYCAST-ROUTED-OUT permit 20",
        f"router bgp 64512\nneighbor {UP} description other",
        f"router bgp 64512\naddress-family ipv6 unicast\nno neighbor {UP} activate",
        f"router bgp 64512\naddress-family ipv4 unicast\nno network {V4}",
        "no route-map ANYCAST-ROUTED-IN",
        f"router bgp 64512\nneighbor {UP} password by-hand",
    ):
        site.router.vtysh(f"configure terminal\n{edit}")
        assert not site.speaker.is_loaded(text), edit
        site.speaker.load(text)
        assert site.speaker.is_loaded(text), edit
    site.router.vtysh("configure terminal\nip route 10.9.9.9/32 blackhole tag 53180 250")
    assert site.speaker.is_loaded(text), "it announces nothing, and costs a call to look for"
    site.speaker.load(text)
    assert "10.9.9.9" not in site.config(), "but a load takes it off"
    site.router.vtysh(f"configure terminal\nrouter bgp 64512\nneighbor {UP} timers 7 21")
    assert site.speaker.is_loaded(text), "an option that we never set is the operator's"


def test_a_changed_peer_list_brings_and_removes_whole_neighbors(site: Site) -> None:
    load(site.speaker, plan(*BOTH))
    site.hears(ALL)
    load(site.speaker, plan(*BOTH, ours=sessions("fd00:17:2::fe", "172.17.2.99")))
    names = {session.name for session in site.speaker.read().sessions}
    assert names == {"fd00:17:2::fe", "172.17.2.99"}
    moved = sessions(UP, peer_as=65001)
    load(site.speaker, plan(*BOTH, ours=moved))
    (session,) = site.speaker.read().sessions
    assert session.remote_as == 65001


@pytest.mark.fault(21)
def test_saved_lines_are_counted_and_removed_after_a_restart(site: Site) -> None:
    load(site.speaker, plan(*BOTH))
    life = site.speaker.incarnation()
    assert site.speaker.notes() == ()
    site.router.write_memory()
    assert "holds 2 of our networks, saved by `write memory`" in site.speaker.notes()[0].detail
    site.router.restart()
    assert site.speaker.incarnation() != life
    assert len(Running(site.config()).networks) == 2
    site.speaker.load("")
    assert re.findall("ANYCAST-ROUTED", site.config()) == [], "zebra's copies are gone too"


def test_a_dead_bgpd_is_reported_as_not_running(site: Site) -> None:
    text = load(site.speaker, plan(*BOTH))
    site.router.kill("bgpd")
    calls: tuple[Callable[[], object], ...] = (
        site.speaker.read,
        site.speaker.withdraw,
        lambda: site.speaker.load(text),
        lambda: site.speaker.is_loaded(text),
    )
    for call in calls:
        with pytest.raises(RouterUnavailableError, match="bgpd is not running"):
            call()
    site.router.restart_daemon()
    assert not site.speaker.is_loaded(text)
    site.speaker.load(text)
    assert site.speaker.is_loaded(text)


def test_a_dead_daemon_of_the_statics_matters_only_if_one_is_needed(site: Site) -> None:
    site.start("router bgp 64512\n bgp always-compare-med\nexit\n")
    site.router.kill(site.router.statics_holder)
    load(site.speaker, plan(*BOTH))
    wanted = plan(*BOTH, announcement(OFF, on_host=False))
    refused = site.speaker.load(render(site.speaker, wanted))
    assert "is not running" in refused
    site.hears(ALL)
    site.speaker.withdraw()


@pytest.mark.fault(22)
def test_a_stopped_bgpd_ends_every_call(site: Site) -> None:
    site.router.daemons["bgpd"].pause()
    with pytest.raises(RouterUnavailableError, match="did not end within"):
        site.speaker.read()
    site.router.daemons["bgpd"].resume()
    assert site.speaker.read().sessions == ()


def test_a_network_without_a_kernel_route_is_not_reported_as_originated(site: Site) -> None:
    load(site.speaker, plan(*BOTH))
    site.hears(ALL)
    site.dns1.remove_address("lo", V4)
    site.hears({V6: ALL[V6]})
    assert [str(route.prefix) for route in site.speaker.read().originated] == [V6]


def test_ebgp_keeps_our_next_hop_and_the_read_back_shows_it(site: Site) -> None:
    site.dns1.address("eth0", "172.17.2.7/24").address("eth0", "fd00:17:2::7/64")
    peer = site.lab.host("outer")
    site.lab.lan("lan", peer)
    peer.address("eth0", "172.17.2.250/24")
    outer = bgp_receiver.start(
        peer, asn=65001, router_id="172.17.2.250", peers={"172.17.2.1": 64512}
    )
    away = sessions("172.17.2.250", peer_as=65001)
    desired = plan(
        announcement(V4, next_hop="172.17.2.7"),
        announcement(V6, next_hop="fd00:17:2::7"),
        ours=away,
    )
    load(site.speaker, desired)
    eventually(lambda: len(outer.table()) == 2)
    received = {prefix: route.next_hop for prefix, route in outer.table().items()}
    assert received == {V4: "172.17.2.7", V6: "fd00:17:2::7"}
    exported = site.speaker.read().exported["172.17.2.250"]
    assert {str(route.next_hop) for route in exported} == {"172.17.2.7", "fd00:17:2::7"}


def test_two_thousand_prefixes(site: Site) -> None:
    base = int(IPv4Address("10.50.0.0"))
    many = [announcement(f"{IPv4Address(base + i)}/32", on_host=False) for i in range(2_000)]
    load(site.speaker, plan(*many))
    eventually(lambda: len(site.speaker.read().originated) == 2_000)
    site.speaker.read()
    site.speaker.withdraw()
    assert not site.speaker.read().originated
