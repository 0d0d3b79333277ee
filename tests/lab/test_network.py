"""The network of the lab: addresses, cables, segments and routers."""

from __future__ import annotations

import pytest

from anycast_routed.lab import Host, Lab, eventually

pytestmark = pytest.mark.integration


def test_addresses_are_added_with_labels_and_removed(dns1: Host) -> None:
    dns1.address("lo", "10.10.10.10/32", label="lo:dns1").address("lo", "fd00::53/128")
    assert "10.10.10.10/32 scope global lo:dns1" in dns1.ip("addr", "show", "lo")
    assert "tentative" not in dns1.ip("addr", "show", "lo")
    dns1.remove_address("lo", "10.10.10.10/32").remove_address("lo", "fd00::53/128")
    assert "global" not in dns1.ip("addr", "show", "lo")


def test_hosts_on_a_segment_reach_each_other_in_both_families(dns1: Host, upstream: Host) -> None:
    dns1.start("python3", "-c", _SERVER).wait_ready(
        lambda: dns1.listens(7), within=20, why="listens"
    )
    for address in ("172.17.2.1", "fd00:17:2::1"):
        assert upstream.run("python3", "-c", _CLIENT, address).out == "hello"


def test_a_cable_has_carrier_until_one_end_is_down(lab: Lab) -> None:
    one, other = lab.host("one"), lab.host("other")
    assert lab.link(one, other) == ("eth0", "eth0")
    assert lab.link(one, other, names=("wan", None)) == ("wan", "eth1")
    assert one.path("/proc/1/net/dev").read_text().count("eth") == 1
    eventually(lambda: "LOWER_UP" in one.ip("link", "show", "eth0"), within=20)
    other.down("eth0")
    eventually(lambda: "NO-CARRIER" in one.ip("link", "show", "eth0"), within=20)
    other.up("eth0")
    eventually(lambda: "LOWER_UP" in one.ip("link", "show", "eth0"), within=20)


def test_a_router_forwards_between_two_hosts(lab: Lab) -> None:
    left, router, right = lab.host("left"), lab.host("router"), lab.host("right")
    lab.link(left, router)
    lab.link(router, right)
    router.sysctl("net.ipv4.ip_forward", 1)
    left.address("eth0", "192.0.2.1/30")
    router.address("eth0", "192.0.2.2/30").address("eth1", "192.0.2.5/30")
    right.address("eth0", "192.0.2.6/30").route("default", "via", "192.0.2.5")
    left.route("default", "via", "192.0.2.2")
    right.start("python3", "-c", _SERVER).wait_ready(
        lambda: right.listens(7), within=20, why="listens"
    )
    assert left.run("python3", "-c", _CLIENT, "192.0.2.6").out == "hello"


_SERVER = """
import socket
server = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, _ = server.accept()
    client.sendall(b"hello")
    client.close()
"""
_CLIENT = """
import socket, sys
sys.stdout.write(socket.create_connection((sys.argv[1], 7), 5).recv(9).decode())
"""
