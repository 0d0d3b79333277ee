"""The behaviour of BIRD that anycast-routed relies on. These tests run BIRD alone.

The module is long because it pins each behaviour once, on one site.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, Lab, LabError, bgp_receiver, bird
from anycast_routed.lab.programs import find
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.bird import Bird

pytestmark = pytest.mark.integration

INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
FILE = "/run/anycast-routed/bird.conf"
SESSION = """
protocol bgp anycast_peer_1 {
  router id 172.17.2.1; local as 64512; neighbor 172.17.2.253 as 64512; connect delay time 0;
  ipv4 { table anycast4; import none; export where proto ~ "anycast_*"; next hop keep; };
  ipv6 { table anycast6; import none; export where proto ~ "anycast_*"; next hop keep; };
}
"""


DRAINED = " bgp_community.add((65535,0));"


def fragment(first: int = 200, mark: str = "a1", hop: str = "172.17.2.1", more: str = "") -> str:
    """Return what our template renders, written by hand: these tests must not depend on it."""
    return (
        f'define anycast_routed_loaded = "{mark}";\n'
        "ipv4 table anycast4;\nipv6 table anycast6;\n"
        "protocol static anycast_dns_v4 {\n  ipv4 { table anycast4; };\n"
        f"  route 10.10.10.10/32 blackhole {{ bgp_local_pref = {first}; bgp_next_hop = {hop};{more}"
        " };\n"
        "  route 10.10.10.11/32 blackhole"
        " { bgp_local_pref = 190; bgp_next_hop = 172.17.2.1; };\n}\n"
        "protocol static anycast_dns_v6 {\n  ipv6 { table anycast6; };\n"
        "  route fd00::10:10:10:10/128 blackhole"
        " { bgp_local_pref = 200; bgp_next_hop = fd00:17:2::1; };\n}\n"
    ) + SESSION


@pytest.fixture
def peer(lab: Lab) -> Host:
    """Make the BGP peer of dns1."""
    return lab.host("peer")


@pytest.fixture
def dns1(lab: Lab, peer: Host) -> Host:
    """Make the host that BIRD runs on, on one LAN with the peer."""
    host = lab.host("dns1")
    lab.lan("lan", host, peer)
    host.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    peer.address("eth0", "172.17.2.253/24").address("eth0", "fd00:17:2::fd/64")
    return host


@pytest.fixture
def listener(peer: Host) -> Receiver:
    """Listen for BGP on the peer."""
    return bgp_receiver.start(
        peer, asn=64512, router_id="172.17.2.253", peers={"172.17.2.1": 64512}
    )


def announced(host: Host, listener: Receiver, text: str) -> Bird:
    """Start BIRD with this fragment and wait until its three routes are at the listener."""
    host.write(FILE, text)
    router = bird.start(host, bird.STOCK + INCLUDE)
    eventually(lambda: len(listener.table()) == 3, why="three routes")
    # The End-of-RIB of a family follows its routes: then the first announcement is complete.
    eventually(lambda: _complete_families(listener) == {"ipv4", "ipv6"}, why="End-of-RIB")
    return router


def _complete_families(listener: Receiver) -> set[str]:
    return {event.text for event in listener.events() if event.kind == "end-of-rib"}


def configure(router: Bird) -> str:
    """Reload and open a new connection, as the speaker does."""
    said = router.birdc("configure")
    router.birdc("show status")
    return said


def test_an_include_pattern_may_match_nothing(dns1: Host) -> None:
    router = bird.start(dns1, bird.STOCK + INCLUDE)
    assert "Reconfigured" in router.birdc("configure")


def test_a_literal_include_of_a_missing_file_is_refused(dns1: Host) -> None:
    router = bird.start(dns1, bird.STOCK)
    dns1.write("/etc/bird/bird.conf", bird.STOCK + f'include "{FILE}";\n')
    with pytest.raises(LabError, match="Unable to open included file"):
        router.birdc("configure")


def test_the_operators_export_line_loads_without_our_file(dns1: Host) -> None:
    own = (
        bird.STOCK
        + INCLUDE
        + """protocol bgp upstream { local as 64512; neighbor 172.17.2.253 as 64512;
        ipv4 { import none; export where proto ~ "anycast_*"; }; }\n"""
    )
    router = bird.start(dns1, own)
    assert "Reconfigured" in router.birdc("configure")
    dns1.write(FILE, fragment())
    assert "Reconfigured" in router.birdc("configure")


def test_both_families_go_over_one_ipv4_session_with_their_own_next_hops(
    dns1: Host, listener: Receiver
) -> None:
    announced(dns1, listener, fragment())
    table = listener.table()
    assert {prefix: (r.local_pref, r.next_hop) for prefix, r in table.items()} == {
        "10.10.10.10/32": (200, "172.17.2.1"),
        "10.10.10.11/32": (190, "172.17.2.1"),
        "fd00::10:10:10:10/128": (200, "fd00:17:2::1"),
    }


@pytest.mark.parametrize("change", [{"first": 150}, {"hop": "172.17.2.9"}])
def test_an_attribute_of_one_static_route_changes_as_one_nlri(
    dns1: Host, listener: Receiver, change: dict[str, object]
) -> None:
    router = announced(dns1, listener, fragment())
    mark = listener.mark()
    dns1.write(FILE, fragment(mark="b2", **change))  # type: ignore[arg-type]
    configure(router)
    eventually(lambda: listener.since(mark), why="the change")
    configure(router)
    assert [(e.kind, e.prefix) for e in listener.since(mark)] == [("announce", "10.10.10.10/32")]


def test_graceful_shutdown_comes_and_goes_as_one_update_to_ibgp_and_ebgp_peers(
    lab: Lab, dns1: Host, listener: Receiver
) -> None:
    far = lab.host("far")
    lab.link(dns1, far)
    dns1.address("eth1", "172.17.3.1/24")
    far.address("eth0", "172.17.3.253/24")
    other = bgp_receiver.start(
        far, asn=64999, router_id="172.17.3.253", peers={"172.17.3.1": 64512}
    )
    second = SESSION.replace("peer_1", "peer_2").replace("2.253 as 64512", "3.253 as 64999")
    router = announced(dns1, listener, fragment() + second)
    eventually(lambda: len(other.table()) == 3, why="three routes in the other AS")
    for text, local_pref, communities in (
        (fragment(0, "b2", more=DRAINED) + second, 0, ("65535:0",)),
        (fragment(mark="c3") + second, 200, ()),
    ):
        marks = {one: one.mark() for one in (listener, other)}
        dns1.write(FILE, text)
        configure(router)
        for one, mark in marks.items():
            eventually(partial(one.since, mark), why="the change")
        configure(router)
        for one, mark in marks.items():
            (event,) = one.since(mark)
            assert (event.kind, event.prefix) == ("announce", "10.10.10.10/32")
            assert event.route is not None
            assert event.route.communities == communities
            assert event.route.local_pref == (local_pref if one is listener else None)


def test_show_route_all_lists_all_communities_of_held_and_exported_routes(
    dns1: Host, listener: Receiver
) -> None:
    many = "".join(f" bgp_community.add((64512,{number}));" for number in range(100))
    router = announced(dns1, listener, fragment(0, more=many + DRAINED))
    for command in (
        'show route table anycast4 where proto ~ "anycast_*" all',
        "show route export anycast_peer_1 all",
    ):
        shown = router.birdc(command)
        first, *more = (line for line in shown.split("\n") if "(64512," in line)
        assert re.match(r"\t(BGP\.|bgp_)community: \(64512,0\) \(64512,1\) ", first)
        assert len(more) == 2, "a long list goes on in other lines"
        assert all(line.startswith("\t\t(64512,") for line in more)
        assert more[-1].endswith(" (64512,99) (65535,0)")
        assert re.search(r"\t(BGP\.|bgp_)local_pref: 0\n", shown)
        assert re.search(r"\t(BGP\.|bgp_)next_hop: 172\.17\.2\.1\n", shown)


def test_a_define_alone_sends_nothing_and_can_be_read_back(dns1: Host, listener: Receiver) -> None:
    router = announced(dns1, listener, fragment())
    mark = listener.mark()
    dns1.write(FILE, fragment(mark="c3"))
    configure(router)
    assert "c3" in router.birdc("eval anycast_routed_loaded")
    dns1.write(FILE, fragment(mark="c3", first=1))
    configure(router)
    eventually(lambda: listener.since(mark), why="the fence")
    assert [e.prefix for e in listener.since(mark)] == ["10.10.10.10/32"]


def test_disable_withdraws_although_bird_conf_is_broken(dns1: Host, listener: Receiver) -> None:
    router = announced(dns1, listener, fragment())
    dns1.write("/etc/bird/bird.conf", "this is not BIRD's language\n")
    mark = listener.mark()
    router.birdc("disable anycast_dns_v4")
    eventually(lambda: len(listener.since(mark)) == 2, why="two withdrawals")
    assert {e.kind for e in listener.since(mark)} == {"withdraw"}


def test_a_successful_configure_enables_what_was_disabled(dns1: Host, listener: Receiver) -> None:
    router = announced(dns1, listener, fragment())
    router.birdc("disable anycast_dns_v4")
    dns1.write(FILE, fragment(mark="d4"))
    configure(router)
    eventually(lambda: len(listener.table()) == 3, why="announced again")


def test_export_of_a_session_that_is_down_is_an_error_reply(dns1: Host) -> None:
    dns1.write(FILE, fragment())
    router = bird.start(dns1, bird.STOCK + INCLUDE)
    with pytest.raises(LabError, match="No valid tables|not accepting|aren't accepting"):
        router.birdc("show route export anycast_peer_1")


def test_a_failed_configure_leaves_the_running_config(dns1: Host, listener: Receiver) -> None:
    router = announced(dns1, listener, fragment())
    mark = listener.mark()
    dns1.write(FILE, "broken\n")
    with pytest.raises(LabError, match=f"{FILE}:1:1 syntax error"):
        router.birdc("configure")
    dns1.write(FILE, fragment(first=7))
    configure(router)
    eventually(lambda: listener.since(mark), why="the fence")
    assert [e.prefix for e in listener.since(mark)] == ["10.10.10.10/32"]


def test_an_empty_file_is_a_silent_withdrawal(dns1: Host, listener: Receiver) -> None:
    router = announced(dns1, listener, fragment())
    dns1.write(FILE, "")
    router.birdc("configure")
    eventually(lambda: not listener.table(), why="withdrawn")


def test_a_reload_that_has_to_wait_has_read_its_files_already(
    dns1: Host, listener: Receiver
) -> None:
    router = announced(dns1, listener, fragment())
    small = bird.STOCK + INCLUDE
    routes = "".join(f"route 20.{i}.{j}.0/24 blackhole;\n" for i in range(200) for j in range(256))
    big = "ipv4 table big;\nprotocol static theirs { ipv4 { table big; };\n" + routes + "}\n"
    # Two files, so that one client sends the second command as soon as the first is answered.
    dns1.write("/etc/bird/small.conf", small)
    dns1.write("/etc/bird/next.conf", bird.STOCK + f'include "{FILE}.next";\n')
    dns1.write(f"{FILE}.next", fragment(mark="e5", first=150))
    asked = "".join(f'configure "/etc/bird/{name}.conf"\n' for name in ("small", "next"))
    for _ in range(20):  # until BIRD still works when the second command comes
        router.configure(small + big)
        answers = dns1.run(find("birdcl"), stdin=asked).out
        assert "in progress" in answers, "all those routes are taken out"
        if "queueing new config" in answers:
            break
    else:
        pytest.fail("BIRD was through too soon each time")
    dns1.write(f"{FILE}.next", fragment(mark="f6", first=1))
    eventually(lambda: "e5" in router.birdc("eval anycast_routed_loaded"))
    eventually(lambda: listener.table()["10.10.10.10/32"].local_pref == 150)
