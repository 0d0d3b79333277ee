"""The VRF of each interface, from the kernel's messages.

The messages about a VRF are built here, because not every kernel that runs the tests has VRFs.
"""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from anycast_routed.lab import Host
from anycast_routed.observe import netlink_addresses
from anycast_routed.observe.address_table import RTM_DELLINK, RTM_NEWLINK, AddressTable
from anycast_routed.system import netlink

_IFNAME, _MASTER, _LINKINFO, _INFO_KIND = 3, 10, 18, 1  # linux/if_link.h
_UP = 1


def link(index: int, name: str, *, master: int = 0, kind: str = "") -> Any:  # noqa: ANN401 - untyped library
    """Return a message about a link, as netlink_addresses decodes the kernel's."""
    payload = struct.pack("=BxHiII", 0, 1, index, _UP, 0)
    payload += netlink.attribute(_IFNAME, name.encode() + b"\0")
    if master:
        payload += netlink.attribute(_MASTER, struct.pack("=I", master))
    if kind:
        info = netlink.attribute(_INFO_KIND, kind.encode() + b"\0")
        payload += netlink.attribute(_LINKINFO, info)
    message = ifinfmsg(netlink.request(RTM_NEWLINK, payload))
    message.decode()
    return message


@pytest.mark.fault(48)
def test_the_device_of_a_vrf_and_its_interfaces_are_in_it() -> None:
    table = AddressTable()
    # An interface may be listed before the device of its VRF.
    table.apply(RTM_NEWLINK, link(2, "eth0", master=9))
    table.apply(RTM_NEWLINK, link(3, "eth1", master=8))
    table.apply(RTM_NEWLINK, link(8, "br0", kind="bridge"))
    table.apply(RTM_NEWLINK, link(9, "red", kind="vrf"))
    assert table.host().vrfs == {"eth0": "red", "red": "red"}
    table.apply(RTM_NEWLINK, link(8, "br0", kind="bridge", master=9))
    assert table.host().vrfs == {"eth0": "red", "br0": "red", "red": "red"}


@pytest.mark.fault(48)
def test_an_interface_that_leaves_its_vrf_is_in_none() -> None:
    table = AddressTable()
    table.apply(RTM_NEWLINK, link(9, "red", kind="vrf"))
    table.apply(RTM_NEWLINK, link(2, "eth0", master=9))
    table.apply(RTM_NEWLINK, link(2, "eth0"))
    assert table.host().vrfs == {"red": "red"}
    table.apply(RTM_NEWLINK, link(2, "eth0", master=9))
    table.apply(RTM_DELLINK, link(9, "red", kind="vrf"))
    assert table.host().vrfs == {}


def test_the_port_of_a_bridge_of_the_kernel_is_in_no_vrf(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1")
    host.ip("link", "set", "veth0", "master", "br0")
    found = inside(host, netlink_addresses.read)
    assert {"br0", "veth0"} <= found.interfaces
    assert found.vrfs == {}
