"""gobgpd in a host of the lab."""

from __future__ import annotations

import pytest

from anycast_routed.lab import Host, LabError, eventually, gobgp

pytestmark = pytest.mark.integration


def test_two_gobgpds_exchange_routes_of_both_families(dns1: Host, upstream: Host) -> None:
    one = gobgp.start(dns1, 64512, "172.17.2.1", {"172.17.2.254": 65001})
    other = gobgp.start(upstream, 65001, "172.17.2.254", {"172.17.2.1": 64512}, passive=True)
    one.gobgp("global", "rib", "add", "10.1.0.0/16", "community", "65535:0", "med", "9")
    one.gobgp("global", "rib", "add", "fd01::/16", "-a", "ipv6", "nexthop", "fd00:17:2::1")
    eventually(lambda: other.rib("ipv4") and other.rib("ipv6"), within=20)
    route = other.rib("ipv4")["10.1.0.0/16"]
    assert route.as_path == (64512,)
    assert route.communities == ("65535:0",)
    assert route.local_pref is None
    assert other.rib("ipv6")["fd01::/16"].as_path == (64512,)
    assert one.rib("ipv4")["10.1.0.0/16"].peer == ""


def test_a_flap_is_counted(dns1: Host, upstream: Host) -> None:
    one = gobgp.start(dns1, 64512, "172.17.2.1", {"172.17.2.254": 64512})
    other = gobgp.start(upstream, 64512, "172.17.2.254", {"172.17.2.1": 64512})
    eventually(lambda: one.sessions()["172.17.2.254"].state == "established", within=20)
    assert one.sessions()["172.17.2.254"].flaps == 0
    other.daemon.kill()
    eventually(lambda: one.sessions()["172.17.2.254"].flaps == 1, within=20)


def test_a_config_that_gobgpd_refuses_is_reported(dns1: Host) -> None:
    with pytest.raises(LabError, match="ended with code 1"):
        gobgp.start(dns1, 64512, "not an address", {})
