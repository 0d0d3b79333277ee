"""The behaviour of FRR that anycast-routed relies on. These tests run FRR alone.

The module is long because it pins each behaviour once, on one site.
"""

from __future__ import annotations

import contextlib
import json
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.frr import releases
from anycast_routed.lab import Host, Lab, bgp_receiver, frr
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.frr import Frr
    from anycast_routed.system.commands import Completed

pytestmark = pytest.mark.integration

UP = "172.17.2.254"
V4, V6 = "10.10.10.10/32", "fd00:10::10/128"


def lp_map(local_pref: int) -> str:
    return (
        f"route-map LP{local_pref} permit 10\n set ip next-hop 172.17.2.1\n"
        f" set local-preference {local_pref}\n set tag 53179\nexit\n"
    )


MAPS = (
    lp_map(200) + "route-map V6 permit 10\n set ipv6 next-hop global fd00:17:2::1\n set tag 53179\n"
    "exit\nroute-map OUT permit 10\n match tag 53179\nexit\nroute-map NONE deny 10\nexit\n"
)
BGP = f"""\
router bgp 64512
 bgp router-id 172.17.2.1
 coalesce-time 0
 neighbor {UP} remote-as 64512
 neighbor {UP} timers connect 1
 address-family ipv4 unicast
  network {V4} route-map LP200
  neighbor {UP} activate
  neighbor {UP} route-map NONE in
  neighbor {UP} route-map OUT out
 exit-address-family
 address-family ipv6 unicast
  network {V6} route-map V6
  neighbor {UP} activate
  neighbor {UP} route-map NONE in
  neighbor {UP} route-map OUT out
 exit-address-family
exit
"""
IPV4 = "configure terminal\nrouter bgp 64512\naddress-family ipv4 unicast\n"


@pytest.fixture
def dns1(lab: Lab) -> Host:
    """Make a host with a peer that listens for BGP at UP."""
    host, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", host, peer)
    host.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    host.address("lo", V4, label="lo:dns1").address("lo", V6)
    peer.address("eth0", f"{UP}/24").address("eth0", "fd00:17:2::fe/64")
    return host


@pytest.fixture
def router(dns1: Host) -> Frr:
    """Run FRR on it, without a config."""
    return frr.start(dns1)


@pytest.fixture
def listener(lab: Lab, dns1: Host) -> Receiver:
    """Listen on the peer."""
    assert dns1.name in lab.hosts
    return bgp_receiver.start(
        lab.hosts["peer"], asn=64512, router_id=UP, peers={"172.17.2.1": 64512}
    )


def vtysh(host: Host, *arguments: str, stdin: str = "") -> Completed:
    """Run vtysh, whatever its exit code."""
    return host.run("vtysh", *arguments, stdin=stdin, check=False)


def configured(router: Frr) -> None:
    router.vtysh("configure terminal\n" + (MAPS + BGP).rstrip())


def announced(router: Frr, listener: Receiver) -> None:
    configured(router)
    eventually(lambda: len(listener.table()) == 2, why="both routes")


def release_of(router: Frr) -> tuple[int, ...]:
    return releases.version(router.vtysh("show running-config")).numbers


def statics(router: Frr) -> list[str]:
    config = router.vtysh(f"show running-config {router.statics_holder}")
    return [line for line in config.split("\n") if line.startswith("ip route")]


def test_a_new_instance_announces_if_sent_as_arguments_or_as_a_file(
    dns1: Host, router: Frr, listener: Receiver
) -> None:
    announced(router, listener)
    router.vtysh("configure terminal", "no router bgp 64512")
    eventually(lambda: not listener.table())
    vtysh(dns1, "-d", "bgpd", "-f", "/dev/stdin", stdin=BGP)
    eventually(lambda: len(listener.table()) == 2)


def test_another_route_map_for_a_network_is_one_update_at_once(
    router: Frr, listener: Receiver
) -> None:
    announced(router, listener)
    mark, begun = listener.mark(), time.monotonic()
    # Defined and used by the same vtysh.
    router.vtysh(f"configure terminal\n{lp_map(100)}{IPV4[19:]}network {V4} route-map LP100")
    eventually(lambda: listener.since(mark))
    (event,) = listener.since(mark)
    assert (event.kind, event.prefix) == ("announce", V4)
    assert listener.table()[V4].local_pref == 100

    mark, begun = listener.mark(), time.monotonic()
    router.vtysh(f"{IPV4}network {V4} route-map LATER")
    eventually(lambda: V4 not in listener.table(), why="an undefined map withdraws")
    router.vtysh(f"configure terminal\n{lp_map(300).replace('LP300', 'LATER').rstrip()}")
    eventually(lambda: V4 in listener.table())
    assert time.monotonic() - begun > 3, "a map that changes waits for the delay timer"


def test_graceful_shutdown_comes_and_goes_as_one_update_and_has_one_spelling(
    lab: Lab, dns1: Host, router: Frr, listener: Receiver
) -> None:
    far = lab.host("far")
    lab.link(dns1, far)
    dns1.address("eth1", "172.17.3.1/24")
    far.address("eth0", "172.17.3.254/24")
    other = bgp_receiver.start(
        far, asn=64999, router_id="172.17.3.254", peers={"172.17.3.1": 64512}
    )
    announced(router, listener)
    router.vtysh(
        "configure terminal\nrouter bgp 64512\nneighbor 172.17.3.254 remote-as 64999\n"
        "neighbor 172.17.3.254 timers connect 1\naddress-family ipv4 unicast\n"
        "neighbor 172.17.3.254 route-map NONE in\nneighbor 172.17.3.254 route-map OUT out"
    )
    eventually(lambda: V4 in other.table(), why="the route in the other AS")
    drained = lp_map(0).replace("LP0", "GSHUT").replace("exit\n", " set community 65535:0\nexit\n")
    router.vtysh(f"configure terminal\n{drained.rstrip()}")
    assert " set community graceful-shutdown\n" in router.vtysh("show running-config")
    for name, local_pref, communities in (("GSHUT", 0, ("65535:0",)), ("LP200", 200, ())):
        marks = {one: one.mark() for one in (listener, other)}
        router.vtysh(f"{IPV4}network {V4} route-map {name}")
        for one, mark in marks.items():
            eventually(partial(one.since, mark), why="the change")
            (event,) = one.since(mark)
            assert (event.kind, event.prefix) == ("announce", V4)
            assert event.route is not None
            assert event.route.communities == communities
            assert event.route.local_pref == (local_pref if one is listener else None)


def test_communities_are_shown_by_the_detail_form_of_the_table_only(
    router: Frr, listener: Receiver
) -> None:
    announced(router, listener)
    drained = lp_map(0).replace("LP0", "GSHUT").replace("exit\n", " set community 65535:0\nexit\n")
    router.vtysh(f"configure terminal\n{drained.rstrip()}")
    router.vtysh(f"{IPV4}network {V4} route-map GSHUT")
    eventually(lambda: listener.table()[V4].communities == ("65535:0",))
    table = "show bgp ipv4 unicast route-map OUT json"
    brief = json.loads(router.vtysh(table))["routes"]
    detail = json.loads(router.vtysh(f"{table} detail"))["routes"]
    assert list(brief) == list(detail) == [V4]
    (path,) = brief[V4]
    assert "community" not in path
    listed = detail[V4]["paths"] if isinstance(detail[V4], dict) else detail[V4][1:]
    (full,) = listed
    assert full["community"]["list"] == ["gracefulShutdown"]
    for key in ("locPrf", "valid"):
        assert full[key] == path[key]
    assert full["nexthops"][0]["ip"] == path["nexthops"][0]["ip"]
    exported = router.json(f"show bgp ipv4 unicast neighbors {UP} advertised-routes")
    assert "community" not in exported["advertisedRoutes"][V4]


def test_the_running_config_shows_a_neighbor_that_is_sent_no_communities(
    router: Frr, listener: Receiver
) -> None:
    announced(router, listener)
    drained = lp_map(0).replace("LP0", "GSHUT").replace("exit\n", " set community 65535:0\nexit\n")
    router.vtysh(f"configure terminal\n{drained.rstrip()}")
    router.vtysh(f"{IPV4}network {V4} route-map GSHUT")
    eventually(lambda: listener.table()[V4].communities == ("65535:0",))
    assert "send-community" not in router.vtysh("show running-config"), "they are, by default"
    for given, shown in (("", ""), (" both", ""), (" all", " all"), (" standard", "")):
        router.vtysh(f"{IPV4}no neighbor {UP} send-community{given}")
        config = router.vtysh("show running-config")
        assert f"  no neighbor {UP} send-community{shown}\n" in config, given
        eventually(lambda: not listener.table()[V4].communities)
        router.vtysh(f"{IPV4}neighbor {UP} send-community all")
        eventually(lambda: listener.table()[V4].communities == ("65535:0",))


def test_a_tag_set_by_the_network_lets_only_our_networks_out(
    dns1: Host, router: Frr, listener: Receiver
) -> None:
    announced(router, listener)
    routes = "ip route 10.9.0.1/32 blackhole tag 53180 250\nip route 10.9.0.2/32 blackhole\n"
    vtysh(dns1, "-d", router.statics_holder, "-f", "/dev/stdin", stdin=routes)
    router.vtysh(f"{IPV4}network 172.17.2.0/24\nredistribute static\nredistribute connected")
    answer = f"show bgp ipv4 unicast neighbors {UP} advertised-routes"
    eventually(lambda: len(router.rib("ipv4")) == 4, why="all are in the table")
    assert list(router.json(answer)["advertisedRoutes"]) == [V4]
    listed = router.json("show bgp ipv4 unicast route-map OUT")["routes"]
    assert list(listed) == [V4]
    assert listed[V4][0]["valid"]
    mark = listener.mark()
    router.vtysh(f"clear bgp {UP}")
    eventually(lambda: len({e.prefix for e in listener.since(mark) if e.prefix}) == 2)
    assert sorted(listener.table()) == [V4, V6]
    # So our static routes must not have the tag of the route-maps.
    kept = "ip route 10.9.0.3/32 blackhole tag 53179\n"
    vtysh(dns1, "-d", router.statics_holder, "-f", "/dev/stdin", stdin=kept)
    eventually(lambda: "10.9.0.3/32" in listener.table(), why="the tag is kept")


def test_statics_of_one_distance_overwrite_each_other(dns1: Host, router: Frr) -> None:
    def add(line: str) -> Completed:
        return vtysh(dns1, "-d", router.statics_holder, "-f", "/dev/stdin", stdin=f"{line}\n")

    add("ip route 10.9.0.1/32 blackhole")
    add("ip route 10.9.0.1/32 blackhole tag 53180")
    assert statics(router) == ["ip route 10.9.0.1/32 blackhole tag 53180"]
    add("no ip route 10.9.0.1/32 blackhole tag 53180")
    assert statics(router) == []

    add("ip route 10.9.0.1/32 172.17.2.9")
    refused = add("ip route 10.9.0.1/32 blackhole tag 53180")
    assert refused.code == (13 if release_of(router) >= (10, 7) else 0)
    assert "Configuration failed" in refused.out + refused.err
    add("ip route 10.9.0.1/32 blackhole tag 53180 250")
    assert statics(router) == [
        "ip route 10.9.0.1/32 172.17.2.9",
        "ip route 10.9.0.1/32 blackhole tag 53180 250",
    ]
    assert add("no ip route 10.9.0.9/32 blackhole tag 53180 250").code == 0


def test_what_the_exit_code_of_vtysh_proves(dns1: Host, router: Frr) -> None:
    configured(router)
    assert vtysh(dns1, "-c", f"{IPV4}no network 10.9.9.9/32").code == 1
    assert vtysh(dns1, "-c", "configure terminal\nno route-map NEVER").code == 0
    assert vtysh(dns1, "-c", f"{IPV4}network {V4} route-map NEVER").code == 0
    assert vtysh(dns1, "-c", f"{IPV4}network 10.9.9.9/8").code == 0
    assert "network 10.0.0.0/8" in router.vtysh("show running-config"), "host bits are masked"
    assert vtysh(dns1, "-c", "configure terminal\nrouter bgp 65000").code == 1
    # Sent as arguments, the lines after a refused one are skipped; sent as a file, they run.
    lines = "router bgp 64512\n bogus\n bgp router-id 9.9.9.9\n"
    assert vtysh(dns1, "-c", f"configure terminal\n{lines.rstrip()}").code == 1
    assert "9.9.9.9" not in router.vtysh("show running-config")
    assert vtysh(dns1, "-d", "bgpd", "-f", "/dev/stdin", stdin=lines).code != 0
    assert "9.9.9.9" in router.vtysh("show running-config")


def test_a_dry_run_sees_syntax_only_and_needs_no_daemon(dns1: Host) -> None:
    assert vtysh(dns1, "-C", "-f", "/dev/stdin", stdin=MAPS + BGP).code == 0
    bad = vtysh(dns1, "-C", "-f", "/dev/stdin", stdin="router bgp 1\n bogus\n")
    assert bad.code == 2
    assert "line 2: % Unknown command" in bad.out + bad.err
    semantic = "router bgp 1\n address-family ipv4 unicast\n  network 10.0.0.1/8 route-map NO\n"
    assert vtysh(dns1, "-C", "-f", "/dev/stdin", stdin=semantic).code == 0


def test_how_the_running_config_spells_given_lines(router: Frr) -> None:
    router.vtysh(
        "configure terminal\nrouter bgp 64512\n neighbor 10.0.0.1 remote-as 65001\n"
        " neighbor 10.0.0.1 description a   b  c\n neighbor 10.0.0.2 remote-as 65001\n"
        " address-family ipv4 unicast\n  neighbor 10.0.0.1 activate\n"
        "  no neighbor 10.0.0.2 activate\n"
    )
    config = router.vtysh("show running-config")
    assert " neighbor 10.0.0.1 description a b c\n" in config
    assert "  neighbor 10.0.0.1 activate\n" not in config, "it is implied in IPv4"
    assert "  no neighbor 10.0.0.2 activate\n" in config
    router.vtysh("configure terminal\nrouter bgp 64512\n no bgp default ipv4-unicast")
    config = router.vtysh("show running-config")
    assert "  neighbor 10.0.0.1 activate\n" in config
    assert "  no neighbor 10.0.0.2 activate\n" not in config


@pytest.mark.fault(25)
def test_with_bgpd_dead_only_a_named_daemon_tells(dns1: Host, router: Frr) -> None:
    vtysh(dns1, "-f", "/dev/stdin", stdin=MAPS)
    socket = dns1.path("/run/frr/bgpd.vty")
    before = socket.stat()
    router.kill("bgpd")
    assert vtysh(dns1, "-f", "/dev/stdin", stdin=BGP).code == 0, "lost without a word"
    named = vtysh(dns1, "-d", "bgpd", "-f", "/dev/stdin", stdin=BGP)
    assert named.code == 1
    assert "failed to connect to any daemons" in named.out + named.err
    config = router.vtysh("show running-config")
    # zebra has a copy of the lines that were not sent to bgpd alone. mgmtd, since FRR 9, may
    # lose them.
    if "mgmtd" not in router.daemons:
        assert "route-map LP200 permit 10" in config
    assert "local-preference" not in config
    router.restart_daemon()
    after = socket.stat()
    assert (before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns)


def test_json_answers_without_any_routes(router: Frr) -> None:
    assert router.json("show bgp summary") == {}
    router.vtysh("configure terminal\nrouter bgp 64512")
    assert router.json("show bgp summary") == {}
    said = router.vtysh("show bgp ipv4 unicast route-map NEVER json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)


def test_saved_lines_export_nothing_for_5_s_after_the_start(dns1: Host, listener: Receiver) -> None:
    # frr.conf has the route-maps below the neighbors, so they wait for the delay timer.
    begun = time.monotonic()
    router = frr.start(dns1, BGP + MAPS)
    eventually(listener.sessions)
    eventually(lambda: len(listener.table()) == 2)
    assert time.monotonic() - begun > 4.5
    assert len(router.rib("ipv4")) == 1


def test_each_question_has_one_answer_even_without_any_routes(
    dns1: Host, router: Frr, listener: Receiver
) -> None:
    questions = (
        "show bgp summary json",
        "show bgp ipv4 unicast route-map OUT json",
        "show bgp ipv4 unicast route-map OUT json detail",
        *(
            f"show bgp {family} unicast neighbors {name} advertised-routes json"
            for family in ("ipv4", "ipv6")
            for name in (UP, "172.17.2.77", "eth9")
        ),
        "show bgp neighbors eth9 json",
    )

    broken_if_down = (10,) <= release_of(router) < (10, 5)

    def answered_in_one() -> bool:
        for question in questions:
            done = vtysh(dns1, "-d", "bgpd", "-c", question)
            assert done.code == 0, question
            if done.out.lstrip().startswith("{"):
                with contextlib.suppress(*([json.JSONDecodeError] if broken_if_down else [])):
                    json.loads(done.out)
            else:
                assert len(done.out.strip().split("\n")) == 1, question
        return True

    assert answered_in_one(), "no instance"
    router.vtysh("configure terminal\nrouter bgp 64512\nneighbor 172.17.2.77 remote-as 64512")
    assert answered_in_one(), "no route-map, an unknown neighbor, and one that is down"
    announced(router, listener)
    assert answered_in_one()
