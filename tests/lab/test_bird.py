"""BIRD in a host of the lab."""

from __future__ import annotations

import pytest

from anycast_routed.lab import Host, Lab, LabError, bird, eventually, gobgp

pytestmark = pytest.mark.integration

FRAGMENT = """
protocol static anycast_v4 { ipv4; route 10.10.10.10/32 blackhole { bgp_local_pref = 200; }; }
protocol static anycast_v6 { ipv6; route fd00:10::10/128 blackhole { bgp_local_pref = 300; }; }
protocol bgp upstream {
  local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 1; connect retry time 1;
  ipv4 {
    export filter {
      if proto != "anycast_v4" then reject;
      bgp_med = 50; bgp_community.add((65535,0)); bgp_community.add((65535,65281));
      accept;
    };
    next hop address 172.17.2.1;
  };
  ipv6 { export where proto = "anycast_v6"; next hop address fd00:17:2::1; };
}
"""


def test_the_stock_config_starts_and_answers_on_the_default_socket(lab: Lab) -> None:
    host = lab.host("dns1").address("lo", "192.0.2.1/32")
    router = bird.start(host)
    assert "Daemon is up and running" in router.birdc("show", "status")
    assert host.path("/run/bird/bird.ctl").is_socket()


def test_a_restart_loads_the_current_config(dns1: Host) -> None:
    router = bird.start(dns1)
    pid = router.daemon.pid
    dns1.write(bird.CONF, bird.STOCK + "protocol static extra { ipv4; }\n")
    router.restart()
    assert router.daemon.pid != pid
    assert "extra" in router.birdc("show protocols")


def test_configure_loads_a_config_and_reports_a_refused_one(dns1: Host) -> None:
    router = bird.start(dns1)
    assert "Reconfigured" in router.configure(bird.STOCK + "protocol static extra { ipv4; }\n")
    with pytest.raises(LabError, match="syntax error"):
        router.configure("nonsense;\n")
    with pytest.raises(LabError, match="(?s)ended with code 1.*syntax error"):
        router.restart()


def test_a_peer_has_the_routes_that_bird_announces(dns1: Host, upstream: Host) -> None:
    router = bird.start(dns1, bird.STOCK + FRAGMENT)
    peer = gobgp.start(upstream, 64512, "172.17.2.254", {"172.17.2.1": 64512})
    eventually(lambda: peer.sessions()["172.17.2.1"].state == "established", within=20)
    # BIRD waits 3 s before it sends the first routes of a session, unless a birdc command wakes it.
    eventually(
        lambda: router.birdc("show status") and peer.rib("ipv4") and peer.rib("ipv6"), within=20
    )
    route = peer.rib("ipv4")["10.10.10.10/32"]
    assert (route.local_pref, route.med, route.next_hop) == (200, 50, "172.17.2.1")
    assert route.communities == ("65535:0", "65535:65281")
    assert route.peer == "172.17.2.1"
    route = peer.rib("ipv6")["fd00:10::10/128"]
    assert (route.local_pref, route.next_hop, route.as_path) == (300, "fd00:17:2::1", ())
    established_at = peer.sessions()["172.17.2.1"].established_at
    assert established_at is not None

    router.daemon.kill()
    eventually(lambda: not peer.rib("ipv4"), within=60)
    session = peer.sessions()["172.17.2.1"]
    assert session.state != "established"
    assert session.established_at is None
