"""FRR in a host of the lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from anycast_routed.lab import Host, LabError, eventually, frr, gobgp
from anycast_routed.lab.groups import group_number

pytestmark = pytest.mark.integration

CONF = """\
bgp route-map delay-timer 1
route-map LP permit 10
 set local-preference 300
 set community 65535:0 no-export
exit
router bgp 64512
 bgp router-id 172.17.2.1
 neighbor 172.17.2.254 remote-as 64512
 neighbor 172.17.2.254 timers connect 1
 address-family ipv4 unicast
  network 10.10.10.10/32 route-map LP
 exit-address-family
 address-family ipv6 unicast
  neighbor 172.17.2.254 activate
  network fd00:10::10/128 route-map LP
 exit-address-family
exit
"""


@pytest.fixture
def anycast_host(dns1: Host) -> Host:
    """dns1 with an anycast address of each family on lo."""
    dns1.address("lo", "10.10.10.10/32", label="lo:dns1")
    return dns1.address("lo", "fd00:10::10/128")


def test_frr_and_its_peer_receive_each_others_routes(anycast_host: Host, upstream: Host) -> None:
    router = frr.start(anycast_host, CONF)
    peer = gobgp.start(upstream, 64512, "172.17.2.254", {"172.17.2.1": 64512})
    eventually(lambda: router.sessions()["172.17.2.254"].state == "established", within=20)
    eventually(lambda: peer.rib("ipv4") and peer.rib("ipv6"), within=20)
    route = peer.rib("ipv4")["10.10.10.10/32"]
    assert (route.local_pref, route.next_hop) == (300, "172.17.2.1")
    assert route.communities == ("65535:0", "65535:65281")
    assert peer.rib("ipv6")["fd00:10::10/128"].next_hop == "fd00:17:2::1"
    assert router.rib("ipv4")["10.10.10.10/32"].peer == ""

    peer.gobgp("global", "rib", "add", "10.9.9.0/24", "local-pref", "77", "med", "7")
    received = eventually(lambda: router.rib("ipv4").get("10.9.9.0/24"), within=20)
    assert (received.local_pref, received.med, received.next_hop) == (77, 7, "172.17.2.254")
    assert received.peer == "172.17.2.254"
    installed = "zebra installs the route"
    eventually(lambda: "10.9.9.0/24" in anycast_host.ip("route"), within=20, why=installed)

    router.kill("bgpd")
    eventually(lambda: "10.10.10.10/32" not in peer.rib("ipv4"), within=60)
    assert router.daemons["zebra"].alive


@pytest.mark.parametrize("user", ["root", "frr"])
def test_frr_runs_as_root_and_as_user_frr(dns1: Host, user: frr.User) -> None:
    if user == "frr" and frr.rootless():
        with pytest.raises(LabError, match="only in a lab that root made"):
            frr.start(dns1, user=user)
        return
    router = frr.start(dns1, "ip route 192.0.2.0/24 blackhole\n", user=user)
    eventually(lambda: "192.0.2.0/24" in dns1.ip("route"), within=20)
    group = Path(f"/proc/{router.daemons['bgpd'].pid}").stat().st_gid
    assert group == group_number(dns1, user)
    assert router.json("show bgp summary") is not None


def test_only_the_config_saved_by_write_memory_survives_a_restart(dns1: Host) -> None:
    router = frr.start(dns1, "router bgp 64512\n")
    router.configure("router bgp 64512", "neighbor 192.0.2.1 remote-as 64512")
    router.write_memory()
    router.configure("router bgp 64512", "neighbor 192.0.2.2 remote-as 64512")
    assert set(router.sessions()) == {"192.0.2.1", "192.0.2.2"}
    router.restart()
    assert set(router.sessions()) == {"192.0.2.1"}
    assert router.sessions()["192.0.2.1"].established_at is None


def test_a_restarted_daemon_has_its_config(dns1: Host) -> None:
    router = frr.start(dns1, "router bgp 64512\n neighbor 192.0.2.1 remote-as 64512\n")
    pid = router.daemons["bgpd"].pid
    router.restart_daemon("bgpd")
    assert router.daemons["bgpd"].pid != pid
    assert set(router.sessions()) == {"192.0.2.1"}


def test_a_config_line_that_frr_refuses_is_reported(dns1: Host) -> None:
    with pytest.raises(LabError, match="(?s)Unknown command|no such command"):
        frr.start(dns1, "nonsense here\n")
