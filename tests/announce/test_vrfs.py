"""Sessions of the operator in a VRF: they get no prefix, and that is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab.frr import Frr
from tests.support.dns_site import lay_out
from tests.support.operators import (
    OPEN4,
    OPEN6,
    bird_session,
    frr_sessions,
    lay_out_operators,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from tests.support.dns_site import Site

pytestmark = [pytest.mark.integration, pytest.mark.fault(48)]

VIP: Final = "10.10.10.10/32"
IN_VRF: Final = frr_sessions().replace("router bgp 64512", "router bgp 64512 vrf red")

OURS_THERE: Final = """\
router bgp 64999 vrf red
 neighbor 192.0.2.1 remote-as 64999
 address-family ipv4 unicast
  neighbor 192.0.2.1 route-map ANYCAST-ROUTED-IN in
  neighbor 192.0.2.1 route-map ANYCAST-ROUTED-OUT out
 exit-address-family
exit
"""
OTHER_FAMILIES: Final = """\
router bgp 64512
 bgp router-id 172.17.2.1
 no bgp default ipv4-unicast
 neighbor 192.0.2.1 remote-as 64512
 address-family {family}
  neighbor 192.0.2.1 activate
  neighbor 192.0.2.1 route-map ANYCAST-ROUTED-IN in
  neighbor 192.0.2.1 route-map ANYCAST-ROUTED-OUT out
 exit-address-family
exit
"""


def established(site: Site) -> set[str]:
    """Return the peers with which the edge router has a session."""
    found = site.edge.sessions()
    return {peer for peer, session in found.items() if session.state == "established"}


def theirs(router: Frr) -> list[str]:
    """Return the lines of the operator's neighbor."""
    shown = router.vtysh("show running-config").splitlines()
    return [line for line in shown if "192.0.2.1" in line]


def test_frr_with_an_instance_in_a_vrf_only_names_it(lab: Lab, dns_config: dict[str, Any]) -> None:
    site = lay_out_operators(lab, dns_config, "frr", IN_VRF)
    assert isinstance(site.router, Frr)
    before = site.router.vtysh("show running-config")
    done = site.run("apply", check=False)
    assert done.code == 78, done.out
    assert "FRR has no BGP instance in the default VRF, only in: red" in done.err
    assert "other VRFs are not supported" in done.err
    assert "add `router bgp AS` with your neighbors" in done.err
    assert site.router.vtysh("show running-config") == before


def test_frr_whose_neighbors_are_all_in_a_vrf_is_a_finding(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    own = f"router bgp 64512\n bgp router-id 172.17.2.1\nexit\n{IN_VRF}"
    site = lay_out_operators(lab, dns_config, "frr", own)
    site.run("apply", check=False)
    shown = site.run("status", check=False).out
    assert "the neighbors of other VRFs get no prefix: red" in shown, shown
    assert "[AR033]" in shown


def test_frr_with_neighbors_in_the_default_vrf_too_is_no_finding(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    other = "router bgp 64512 vrf red\n neighbor 192.0.2.1 remote-as 64512\nexit\n"
    site = lay_out_operators(lab, dns_config, "frr", f"{frr_sessions()}{other}")
    site.run("apply", check=False)
    eventually(lambda: all(VIP in table for table in site.tables()), why="both have it")
    shown = site.run("status").out
    assert "[AR033]" not in shown, shown


@pytest.mark.parametrize(
    "own",
    [
        OURS_THERE,
        *(
            OTHER_FAMILIES.format(family=family)
            for family in ("ipv4 multicast", "ipv4 labeled-unicast", "ipv4 vpn", "l2vpn evpn")
        ),
    ],
)
def test_our_route_maps_in_a_vrf_or_another_family_of_frr_keep_no_dead_server_announced(
    lab: Lab, own: str
) -> None:
    site = lay_out(lab, "frr", own=own)
    assert isinstance(site.router, Frr)
    before = theirs(site.router)
    assert "ANYCAST-ROUTED-IN in" in "".join(before)
    site.run("apply", check=False)
    eventually(lambda: all(VIP in table for table in site.tables()), why="both have it")
    site.run("status", check=False)
    site.server.daemon.kill()
    site.run("apply", check=False)
    site.both_hold({})
    assert site.run("withdraw", check=False).code == 0
    assert theirs(site.router) == before


def test_bird_names_the_vrf_of_a_session_whose_table_has_no_prefix(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    """Interface eth0 stands for the device of a VRF: BIRD takes any, and binds its socket to it."""
    table = OPEN4.replace("ipv4 {", "ipv4 { table red4;")
    in_vrf = bird_session("edge", "172.17.2.254", table, option='vrf "eth0"; multihop;')
    site = lay_out_operators(lab, dns_config, "bird", f"ipv4 table red4;\n{in_vrf}")
    eventually(lambda: "172.17.2.1" in established(site), why="the session is up")
    # BIRD may know a moment later than its peer that the session is up.
    eventually(lambda: site.run("apply", check=False).code == 4, why="the missing export is told")
    assert VIP not in site.tables()[1]
    shown = site.run("status").out
    (line,) = (one for one in shown.splitlines() if "[AR003]" in one and VIP in one)
    cause = "the session is in VRF eth0, and its table red4 does not have the route"
    assert cause in line, line
    assert "other VRFs are not supported: add a session of the default VRF" in line


def test_bird_sends_the_prefixes_to_a_session_in_a_vrf_that_uses_the_default_table(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    own = bird_session("edge", "172.17.2.254", OPEN4, OPEN6, option='vrf "eth0"; multihop;')
    site = lay_out_operators(lab, dns_config, "bird", own)
    site.run("apply", check=False)
    eventually(lambda: VIP in site.tables()[1], why="the session in the VRF has it")
    assert "[AR003]" not in site.run("status").out
