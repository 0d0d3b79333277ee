"""What `read` returns of the interfaces and addresses of a host."""

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_interface
from typing import Any

import pytest

from anycast_routed.lab import Host, Lab, eventually
from anycast_routed.model import HostAddress
from anycast_routed.observe import netlink_addresses
from anycast_routed.observe.address_table import RTM_NEWADDR
from anycast_routed.system import netlink
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

ACK_EXCL_CREATE = 0x4 | 0x200 | 0x400  # NLM_F_*, linux/netlink.h

WITHOUT_DESCRIPTORS = """
import resource
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.observe import netlink_addresses
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    netlink_addresses.read()
except AnycastRoutedError as error:
    print(error)
"""
Inside = Callable[[Host, Callable[[], Any]], Any]


def addresses_of(host: Host, inside: Inside, interface: str) -> dict[str, HostAddress]:
    """Return the addresses of an interface with global scope, by their text."""
    found = inside(host, netlink_addresses.read).addresses
    again = inside(host, netlink_addresses.read).addresses
    # The kernel may have ended the search for duplicates of an address in between.
    assert [one.address for one in found] == [one.address for one in again], "the order is stable"
    return {
        str(address.address): address
        for address in found
        if address.interface == interface and address.scope == 0
    }


def plain(interface: str, cidr: str, label: str = "", **flags: bool) -> HostAddress:
    return HostAddress(interface, ip_interface(cidr), label, **flags)


def set_label(octets: bytes) -> None:
    """Add 10.9.9.N/32 to lo with a label of any octets; `ip` refuses or changes some."""
    host = socket.inet_aton(f"10.9.9.{octets[-1]}")
    attributes = b"".join(
        netlink.attribute(kind, value)
        for kind, value in ((2, host), (1, host), (3, octets + b"\0"))
    )
    payload = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 1) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE) as kernel:
        kernel.sendall(netlink.request(RTM_NEWADDR, payload, flags=ACK_EXCL_CREATE))
        ((_, _, answer),) = netlink.messages(kernel.recv(4096))
        assert netlink.error(answer).errno == 0


def test_labels_and_interfaces_are_read_in_a_fixed_order(host: Host, inside: Inside) -> None:
    for label, last in (("lo:dns10", 30), ("lo:dns2", 10), ("lo:dns1", 20)):
        host.address("lo", f"10.10.10.{last}/32", label=label)
    host.address("lo", "fd00::1/128")
    seen = inside(host, netlink_addresses.read)
    assert (seen.interfaces, seen.down) == ({"lo"}, frozenset())
    assert [address for address in seen.addresses if address.scope == 0] == [
        plain("lo", "10.10.10.10/32", "lo:dns2"),
        plain("lo", "10.10.10.20/32", "lo:dns1"),
        plain("lo", "10.10.10.30/32", "lo:dns10"),
        plain("lo", "fd00::1/128"),
    ]
    assert {
        address.scope for address in seen.addresses if str(address.address) == "127.0.0.1/8"
    } == {254}


def test_hostile_labels_stay_different_from_each_other(host: Host, inside: Inside) -> None:
    labels = [b"lo:{{x}}1", b'lo:"q"2', b"lo: a\n3", b"lo:\x1b[4", b"lo:\xff\xfe5", b"lo:\xff6"]
    labels += ["lo:é7".encode(), b"lo:\\xff8", b"lo:?9", b"lo:\xef\xbf\xbd0"]
    for label in labels:
        inside(host, partial(set_label, label))
    seen = [address.label for address in addresses_of(host, inside, "lo").values()]
    assert sorted(text.encode(errors="surrogateescape") for text in seen) == sorted(labels)
    assert len(set(seen)) == len(labels)


def test_interface_names_that_are_not_utf8_are_kept(host: Host, inside: Inside) -> None:
    odd = "x\udcffy"
    host.ip("link", "add", odd, "type", "veth", "peer", "name", 'a"b')
    host.address(odd, "192.0.2.1/24", label=f"{odd}:1")
    seen = inside(host, netlink_addresses.read)
    assert seen.interfaces == {"lo", odd, 'a"b'}
    assert plain(odd, "192.0.2.1/24", f"{odd}:1") in seen.addresses


def test_secondary_and_deprecated_addresses_are_marked(lab: Lab, inside: Inside) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    lab.link(host, other)
    host.address("eth0", "172.17.2.1/24").address("eth0", "172.17.2.2/24")
    host.address("eth0", "198.51.100.1/24")
    host.ip("address", "add", "fd00:17::1/64", "dev", "eth0", "nodad")
    host.ip("address", "add", "fd00:17::2/64", "dev", "eth0", "nodad", "preferred_lft", "0")
    assert addresses_of(host, inside, "eth0") == {
        "172.17.2.1/24": plain("eth0", "172.17.2.1/24", "eth0"),
        "172.17.2.2/24": plain("eth0", "172.17.2.2/24", "eth0", secondary=True),
        "198.51.100.1/24": plain("eth0", "198.51.100.1/24", "eth0"),
        "fd00:17::1/64": plain("eth0", "fd00:17::1/64"),
        "fd00:17::2/64": plain("eth0", "fd00:17::2/64", deprecated=True),
    }


@pytest.mark.fault(18)
def test_addresses_in_and_after_failed_duplicate_detection_are_tentative(
    lab: Lab, inside: Inside
) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    lab.link(host, other)
    other.ip("address", "add", "fd00:17::1/64", "dev", "eth0", "nodad")
    for name in ("accept_dad", "dad_transmits"):
        host.sysctl(f"net.ipv6.conf.eth0.{name}", "1")
    host.ip("address", "add", "fd00:17::1/64", "dev", "eth0")
    tentative = plain("eth0", "fd00:17::1/64", tentative=True)
    assert addresses_of(host, inside, "eth0") == {"fd00:17::1/64": tentative}
    eventually(
        lambda: "dadfailed" in host.ip("address", "show", "dev", "eth0"),
        within=20,
        why="the kernel detects the duplicate",
    )
    assert addresses_of(host, inside, "eth0") == {"fd00:17::1/64": tentative}


def test_of_a_point_to_point_link_the_local_address_is_read(lab: Lab, inside: Inside) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    lab.link(host, other)
    host.ip("address", "add", "192.0.2.1", "peer", "192.0.2.2/32", "dev", "eth0")
    host.ip("address", "add", "fd00::1", "peer", "fd00::2/128", "dev", "eth0", "nodad")
    assert set(addresses_of(host, inside, "eth0")) == {"192.0.2.1/32", "fd00::1/128"}


def test_a_thousand_labels_are_all_read_while_others_come_and_go(
    host: Host, inside: Inside
) -> None:
    def batch(verb: str, third: int, count: int) -> str:
        return "".join(
            f"address {verb} 10.{third}.{i // 250}.{i % 250}/32 dev lo label lo:dns{i}\n"
            for i in range(count)
        )

    host.run("ip", "-batch", "-", stdin=batch("add", 1, 1000))
    churn = host.start(
        "sh", "-c", "while sleep 1; do ip -b /run/add; sleep 1; ip -b /run/del; done"
    )
    host.write("/run/add", batch("add", 2, 5))
    host.write("/run/del", batch("del", 2, 5))
    for _ in range(5):
        found = inside(host, netlink_addresses.read).addresses
        ours = [address.label for address in found if str(address.address).startswith("10.1.")]
        assert len(ours) == len(set(ours)) == 1000
    churn.kill()


def test_read_can_be_called_from_a_running_event_loop(host: Host, inside: Inside) -> None:
    async def run() -> int:
        return len((await asyncio.to_thread(netlink_addresses.read)).addresses)

    host.address("lo", "10.0.0.1/32")
    assert inside(host, lambda: asyncio.run(run())) >= 2


def test_without_descriptors_the_error_says_so_and_what_to_check(host: Host) -> None:
    root = str(ROOT)
    done = host.run(sys.executable, "-c", WITHOUT_DESCRIPTORS, env={"PYTHONPATH": root})
    assert done.out == (
        "the host's addresses cannot be read: Too many open files\n"
        "  check that `ip address` works on this host\n"
    )
