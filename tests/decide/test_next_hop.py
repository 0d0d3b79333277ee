"""Examples of the next hop; test_laws.py has the laws."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from itertools import permutations

import pytest

from anycast_routed.decide.next_hop import next_hop, unfit
from anycast_routed.model import HostAddress


def on(address: str, interface: str = "eth0") -> HostAddress:
    return HostAddress(interface, ip_interface(address))


FLAWED = [
    (replace(on("10.0.0.1/24"), scope=253), "not of global scope"),
    (replace(on("10.0.0.1/24"), secondary=True), "secondary"),
    (replace(on("2001:db8::1/64"), tentative=True), "tentative"),
    (replace(on("2001:db8::1/64"), temporary=True), "temporary"),
    (on("169.254.0.1/16"), "IPv4 link-local"),
    (on("fe80::1/64"), "IPv6 link-local"),
    (on("127.0.0.1/8"), "loopback"),
    (on("::1/128"), "loopback"),
    (on("0.0.0.0/0"), "unspecified"),
    (on("224.0.0.5/32"), "multicast"),
    (on("ff02::1/128"), "multicast"),
]


@pytest.mark.parametrize(("address", "why"), FLAWED)
def test_an_unfit_address_is_never_the_next_hop(address: HostAddress, why: str) -> None:
    assert unfit(address) == why
    assert next_hop([address], "eth0", address.address.version) is None


def test_only_the_interface_and_the_family_count() -> None:
    addresses = [on("10.0.0.1/24", "eth1"), on("172.17.2.1/24"), on("fd00:17:2::1/64")]
    assert next_hop(addresses, "eth0", 4) == ip_address("172.17.2.1")
    assert next_hop(addresses, "eth0", 6) == ip_address("fd00:17:2::1")
    assert next_hop(addresses, "eth1", 6) is None
    assert next_hop([], "eth0", 4) is None


def test_a_service_address_is_never_a_next_hop() -> None:
    addresses = [on("10.0.0.1/24"), on("10.0.0.9/24")]
    assert next_hop(addresses, "eth0", 4, excluded=[ip_address("10.0.0.1")]) == ip_address(
        "10.0.0.9"
    )


def test_a_subnet_with_a_peer_beats_a_subnet_beats_a_host_address_beats_a_higher_one() -> None:
    ranked = [on("172.17.2.1/24"), on("10.0.0.3/24"), on("10.0.0.4/24"), on("10.0.0.1/32")]
    peers = [ip_address("172.17.2.254"), ip_address("2001:db8::1")]
    for some in permutations(ranked):
        for count in range(1, 5):
            best = min(some[:count], key=ranked.index)
            assert next_hop(some[:count], "eth0", 4, peers=peers) == best.address.ip


def test_a_deprecated_address_is_the_next_hop_if_there_is_no_other() -> None:
    deprecated = replace(on("2001:db8::1/64"), deprecated=True)
    other = on("2001:db8:1::1/128")
    peers = [ip_address("2001:db8::2")]
    assert next_hop([deprecated], "eth0", 6, peers=peers) == deprecated.address.ip
    assert next_hop([deprecated, other], "eth0", 6, peers=peers) == other.address.ip
