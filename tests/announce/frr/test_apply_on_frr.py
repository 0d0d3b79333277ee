"""`apply` on FRR next to an operator's own config, also if a daemon of FRR is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import bgp_receiver
from anycast_routed.lab.frr import Frr
from tests.support.dns_site import Held, Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = pytest.mark.integration

OWN = """\
ip prefix-list MINE seq 5 permit 198.51.100.0/24
ip route 198.51.100.0/24 blackhole
ip route 203.0.113.0/24 blackhole tag 7
router bgp 64512
 bgp router-id 172.17.2.1
 network 198.51.100.0/24
 neighbor 172.17.2.253 remote-as 64512
 neighbor 172.17.2.253 timers connect 1
 address-family ipv4 unicast
  network 198.51.100.0/24
  neighbor 172.17.2.253 prefix-list MINE out
 exit-address-family
exit
route-map MINE-TOO permit 10
 set local-preference 300
exit
"""
OPERATORS = """\
router bgp 64512
 bgp router-id 172.17.2.1
 neighbor 172.17.2.253 remote-as 64512
 neighbor 172.17.2.253 timers connect 1
 neighbor 172.17.2.254 remote-as 64512
 neighbor 172.17.2.254 timers connect 1
 address-family ipv6 unicast
  neighbor 172.17.2.253 activate
  neighbor 172.17.2.254 activate
 exit-address-family
exit
"""


@pytest.fixture
def router_name() -> str:
    """Run FRR only."""
    return "frr"


def frr_of(site: Site) -> Frr:
    """Return dns1's FRR."""
    assert isinstance(site.router, Frr)
    return site.router


def config_of(site: Site) -> list[str]:
    """Return the running config's lines."""
    return frr_of(site).vtysh("show running-config").splitlines()


def test_every_line_of_the_operators_stays_as_it_was(
    lab: Lab, announced: Held, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "frr", own=OWN)
    dns_config["bgp"]["peers"] = dns_config["bgp"]["peers"][
        :1
    ]  # the edge; gobgpd is the operator's peer
    site.configure(dns_config)
    before, saved = config_of(site), site.dns1.read("/etc/frr/frr.conf")
    eventually(lambda: "198.51.100.0/24" in site.gobgp.rib("ipv4"), why="his own route")
    site.run("apply")
    eventually(lambda: site.tables()[1] == announced, why="only ours are at the edge")
    during = iter(config_of(site))
    assert all(line in during for line in before), "his lines are there, in their order"
    assert site.gobgp.rib("ipv4").keys() == {"198.51.100.0/24"}
    dns_config["bgp"]["peers"][0]["description"] = "renamed"
    site.configure(dns_config)
    site.run("apply")
    site.run("withdraw")
    after = iter(config_of(site))
    assert all(line in after for line in before)
    assert site.dns1.read("/etc/frr/frr.conf") == saved


def test_the_operators_own_sessions_export_what_we_provide(
    lab: Lab, announced: Held, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "frr", own=OPERATORS)
    del dns_config["bgp"]
    site.configure(dns_config)
    site.run("apply")
    site.both_hold(announced)
    site.server.daemon.kill()
    site.run("apply")
    site.both_hold({})


def test_without_a_bgp_instance_the_config_is_refused(
    site: Site, dns_config: dict[str, Any]
) -> None:
    del dns_config["bgp"]
    site.configure(dns_config)
    done = site.run("apply", check=False)
    assert done.code == 78
    assert "router bgp" in done.err


@pytest.mark.fault(25)
def test_what_frr_refuses_half_way_ends_with_4_and_is_put_back(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    before = config_of(site)
    # The router's own address as a neighbor: only bgpd itself refuses it.
    dns_config["bgp"]["peers"].append({"ip": "10.10.10.10", "description": "", "as": 64512})
    dns_config["anycast"]["localpref"] = 300
    site.configure(dns_config)
    done = site.run("apply", check=False)
    assert done.code == 4
    assert "FRR refused" in done.err
    assert config_of(site) == before
    assert site.tables() == [announced, announced]


@pytest.mark.fault(25)
def test_a_dead_bgpd_is_named(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    frr_of(site).kill("bgpd")
    done = site.run("--router", "frr", "apply", check=False)
    assert done.code == 69
    assert "bgpd is not running" in done.err
    assert "systemctl status frr" in done.err


@pytest.mark.fault(22)
def test_a_stopped_bgpd_costs_a_bounded_time(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    frr_of(site).daemons["bgpd"].pause()
    done = site.run("apply", check=False, within=25)
    assert done.code == 69
    assert "did not end within" in done.err
    frr_of(site).daemons["bgpd"].resume()
    assert site.run("apply").code == 0


@pytest.mark.fault(21)
def test_saved_lines_are_told_by_status(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    frr_of(site).write_memory()
    assert "saved by `write memory`" in site.run("status").out


def test_a_neighbor_of_the_operators_is_refused_by_name(lab: Lab) -> None:
    site = lay_out(lab, "frr", own=OPERATORS)
    before = config_of(site)
    done = site.run("apply", check=False)
    assert done.code == 78
    assert "bgp.peers[0].ip" in done.err
    assert config_of(site) == before


def test_a_labelled_address_with_a_wider_mask_is_announced_as_a_host_route(lab: Lab) -> None:
    """FRR has a route only for the /24, so anycast-routed adds a static route for the /32."""
    site = lay_out(lab, "frr", addresses=("10.10.10.10/24",))
    done = site.run("apply")
    assert "[AR024]" in done.err
    eventually(lambda: all("10.10.10.10/32" in table for table in site.tables()))
    assert "local" in site.dns1.run("ip", "route", "get", "10.10.10.10").out
    site.server.daemon.kill()
    site.run("apply")
    site.both_hold({})
    assert "10.10.10.10" not in site.dns1.run("ip", "route", "show", "table", "main").out


def test_a_neighbor_of_the_operators_with_our_route_map_stays(
    lab: Lab, dns_config: dict[str, Any], announced: Held
) -> None:
    """The operator sends a neighbor exactly what is ours, by our outbound route-map."""
    own = (
        "router bgp 64512\n bgp router-id 172.17.2.1\n"
        " neighbor 172.17.2.253 remote-as 64512\n neighbor 172.17.2.253 timers connect 1\n"
        " address-family ipv4 unicast\n"
        "  neighbor 172.17.2.253 route-map ANYCAST-ROUTED-OUT out\n exit-address-family\nexit\n"
    )
    site = lay_out(lab, "frr", own=own)
    del dns_config["bgp"]
    dns_config["anycast"]["routes"] = []
    site.configure(dns_config)
    site.run("apply")
    four = {prefix for prefix in announced if ":" not in prefix}
    eventually(lambda: set(site.tables()[0]) == four)
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: not site.tables()[0])
    site.server.restart()
    site.run("apply")
    eventually(lambda: set(site.tables()[0]) == four)
    site.run("withdraw")
    assert isinstance(site.router, Frr)
    shown = site.router.vtysh("show running-config")
    assert "neighbor 172.17.2.253 remote-as 64512" in shown
    assert site.document("status")["sessions"][0]["ours"] is False


def test_neighbors_of_the_operators_in_our_instance_are_named(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    own = (
        "router bgp 64512\n bgp router-id 172.17.2.1\n"
        " neighbor 172.17.2.253 remote-as 64512\n neighbor 172.17.2.253 timers connect 1\nexit\n"
    )
    site = lay_out(lab, "frr", own=own)
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: "10.10.10.10/32" in site.tables()[0], why="the other neighbor gets it")
    shown = site.run("status").out
    assert "get the prefixes too: 172.17.2.253" in shown
    assert "[AR009]" in shown
    dns_config["bgp"]["other-neighbors"] = "accept"
    site.configure(dns_config)
    assert "[AR009]" not in site.run("status").out
    dns_config["bgp"]["other-neighbors"] = "warn"
    site.configure(dns_config)
    assert isinstance(site.router, Frr)
    site.router.configure(
        *("route-map MINE deny 10", "match tag 53179", "exit", "route-map MINE permit 20", "exit"),
        *("router bgp 64512", "address-family ipv4 unicast"),
        "neighbor 172.17.2.253 route-map MINE out",
    )
    eventually(lambda: "10.10.10.10/32" not in site.tables()[0])
    assert "[AR009]" not in site.run("status").out


TWO_MARKS = {
    "both route-maps": ("route-map ANYCAST-ROUTED-IN in", "route-map ANYCAST-ROUTED-OUT out"),
    "next hop": ("route-map ANYCAST-ROUTED-OUT out", "attribute-unchanged next-hop"),
}
ALL_MARKS = (*TWO_MARKS["both route-maps"], "attribute-unchanged next-hop")


def marked(marks: tuple[str, ...], *, asn: int = 64512) -> str:
    """Return an operator's instance whose neighbor carries these of our marks."""
    lines = "".join(f"  neighbor 172.17.2.253 {mark}\n" for mark in marks)
    return (
        "router bgp 64512\n bgp router-id 172.17.2.1\n"
        f" neighbor 172.17.2.253 remote-as {asn}\n neighbor 172.17.2.253 timers connect 1\n"
        f" address-family ipv4 unicast\n{lines} exit-address-family\nexit\n"
    )


def of_peer(site: Site) -> list[str]:
    """Return the lines of neighbor 172.17.2.253."""
    return [line for line in config_of(site) if "172.17.2.253" in line]


@pytest.mark.parametrize("case", TWO_MARKS)
def test_a_neighbor_of_the_operators_with_two_of_our_marks_stays(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    site = lay_out(lab, "frr", own=marked(TWO_MARKS[case]))
    before = of_peer(site)
    wanted = dns_config["bgp"]["peers"].pop(1)
    site.configure(dns_config)
    for _ in range(2):
        site.run("apply")
        assert of_peer(site) == before
    dns_config["bgp"]["peers"].append(wanted)
    site.configure(dns_config)
    done = site.run("apply", check=False)
    assert (done.code, "bgp.peers[1].ip" in done.err) == (78, True), done.err
    assert of_peer(site) == before
    site.run("withdraw")
    assert of_peer(site) == before


@pytest.mark.parametrize("marks", [*TWO_MARKS.values(), ALL_MARKS])
def test_a_neighbor_that_the_operator_adds_beside_ours_stays_whatever_its_marks(
    lab: Lab, dns_config: dict[str, Any], marks: tuple[str, ...]
) -> None:
    site = lay_out(lab, "frr")
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    frr_of(site).configure(*marked(marks).splitlines())
    before = of_peer(site)
    assert before
    site.server.daemon.kill()
    site.run("apply")
    site.server.restart()
    site.run("apply")
    site.run("withdraw")
    assert of_peer(site) == before


@pytest.mark.parametrize("mark", ALL_MARKS)
def test_a_mark_that_is_removed_from_our_neighbor_by_hand_comes_back(
    site: Site, announced: Held, mark: str
) -> None:
    site.run("apply")
    site.both_hold(announced)
    before = config_of(site)
    frr_of(site).configure(
        *("router bgp 64512", "address-family ipv4 unicast", f"no neighbor 172.17.2.253 {mark}")
    )
    site.run("apply")
    assert config_of(site) == before


def test_a_neighbor_that_leaves_our_config_leaves_frr_also_after_a_kill_before_the_load(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    """The file has the new text already when the process is killed: FRR has the old neighbor."""
    site.run("apply")
    site.both_hold(announced)
    text = site.router_file().read_text()
    kept = [line for line in text.splitlines() if "172.17.2.253" not in line]
    site.router_file().write_text("".join(f"{line}\n" for line in kept))
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    assert not of_peer(site)


def test_the_first_run_after_an_upgrade_knows_our_neighbors_by_the_text(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    site.file("/run/anycast-routed/frr.neighbors").unlink()
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    assert not of_peer(site)


def test_the_neighbors_of_an_instance_before_are_removed_by_the_next_one(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    """Each has its own run directory; what the second one loaded before tells nothing any more."""
    peers = dns_config["bgp"]["peers"]
    second = {
        **dns_config,
        "bgp": {**dns_config["bgp"], "peers": peers[:1]},
        "daemon": {"run-dir": "/run/anycast-two"},
    }
    for config in (second, dns_config):
        site.configure(config)
        site.run("apply", check=False)
    site.both_hold(announced)
    site.configure(second)
    site.run("apply")
    assert not of_peer(site)


@pytest.mark.fault(21)
@pytest.mark.parametrize("rebooted", [False, True])
def test_saved_neighbors_are_ours_after_a_restart_and_after_a_boot(
    site: Site, announced: Held, dns_config: dict[str, Any], *, rebooted: bool
) -> None:
    site.run("apply")
    site.both_hold(announced)
    frr_of(site).write_memory()
    frr_of(site).restart()
    if rebooted:
        for one in site.file("/run/anycast-routed").iterdir():
            one.unlink()
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply", check=False)
    assert not of_peer(site)
    eventually(lambda: "10.10.10.10/32" in site.tables()[1])


SENT_ANYWAY = {
    "eBGP without a policy": marked((), asn=64599).replace(
        " bgp router-id", " no bgp ebgp-requires-policy\n bgp router-id"
    ),
    "a route-map that permits all": "route-map ALL permit 10\nexit\n"
    + marked(("route-map ALL out",), asn=64599),
}


@pytest.mark.parametrize("case", SENT_ANYWAY)
def test_who_really_gets_our_prefixes_is_named_whatever_its_filters(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    site = lay_out(lab, "frr", own=SENT_ANYWAY[case])
    site.gobgp.daemon.kill()
    peers = {"172.17.2.1": 64512}
    other = bgp_receiver.start(site.gobgp.host, asn=64599, router_id="172.17.2.253", peers=peers)
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: "10.10.10.10/32" in other.table(), why="the other neighbor gets it")
    for verb in ("status", "plan"):
        assert "get the prefixes too: 172.17.2.253" in site.run(verb).out
