"""The interfaces and addresses of this host, updated from rtnetlink(7) messages."""

import socket
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any, Final

from anycast_routed.model import Host, HostAddress

# linux/rtnetlink.h
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21

# linux/if_addr.h
_IFA_F_SECONDARY: Final = 0x01
"""Of an IPv4 address. The same bit of an IPv6 address says that it is temporary (RFC 8981)."""
_IFA_F_DADFAILED: Final = 0x08
_IFA_F_DEPRECATED: Final = 0x20
_IFA_F_TENTATIVE: Final = 0x40

_IFF_UP: Final = 0x1  # linux/if.h
_DOWN_STATES: Final = frozenset({"NOTPRESENT", "DOWN", "LOWERLAYERDOWN"})
"""Operational states (RFC 2863). UNKNOWN is not one of them: drivers that do not track the state
report it, such as lo, dummy and tun.
"""


class AddressTable:
    """The interfaces and addresses as of the last message; repeated messages change nothing.

    Any user with CAP_NET_ADMIN chooses names and labels. Octets that are not UTF-8 are kept as
    surrogates (PEP 383), so that two different names stay different.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        """Interface names by interface index."""
        self._down: set[int] = set()
        """Indexes of the interfaces that are down."""
        self._masters: dict[int, int] = {}
        """The index of each interface's master: a bridge, a bond or a VRF."""
        self._vrfs: set[int] = set()
        """Indexes of the devices of VRFs."""
        self._addresses: dict[tuple[int, int, str, str], HostAddress] = {}
        """By interface index, prefix length, local address and peer address."""

    def host(self) -> Host:
        """Return all interfaces and addresses, always in the same order."""
        return Host(
            frozenset(self._names.values()),
            tuple(sorted(self._addresses.values(), key=_order)),
            frozenset(self._names[index] for index in self._down),
            self._in_vrfs(),
        )

    def _in_vrfs(self) -> dict[str, str]:
        """Return the name of its VRF for each interface in one, and for the device of each."""
        masters = self._masters | {index: index for index in self._vrfs}
        return {
            self._names[index]: self._names[master]
            for index, master in sorted(masters.items())
            if master in self._vrfs
        }

    def apply(self, kind: int, message: Any) -> None:  # noqa: ANN401 - untyped library
        """Apply one decoded message of type `kind` about a link or an address."""
        index, family = message["index"], message["family"]
        if kind in {RTM_NEWADDR, RTM_DELADDR}:
            if index in self._names and family in {socket.AF_INET, socket.AF_INET6}:
                self._apply_address(kind, message)
        # A bridge reports changes of its ports as link messages of family AF_BRIDGE: these do not
        # add or remove an interface.
        elif family == socket.AF_UNSPEC:
            self._apply_link(kind, message)

    def _apply_address(self, kind: int, message: Any) -> None:  # noqa: ANN401 - untyped library
        # An interface may have one address with several prefix lengths and several peers.
        ends = message.get_attr("IFA_LOCAL"), message.get_attr("IFA_ADDRESS")
        key = (message["index"], message["prefixlen"], *ends)
        if kind == RTM_NEWADDR:
            self._addresses[key] = _address(message, self._names[message["index"]])
        else:
            self._addresses.pop(key, None)

    def _apply_link(self, kind: int, message: Any) -> None:  # noqa: ANN401 - untyped library
        index = message["index"]
        name = _text(message.get_attr("IFLA_IFNAME"))
        old_name = self._names.pop(index, name)
        self._down.discard(index)
        self._vrfs.discard(index)
        self._masters.pop(index, None)
        if kind == RTM_NEWLINK:
            self._names[index] = name
            state = message.get_attr("IFLA_OPERSTATE")
            if not message["flags"] & _IFF_UP or state in _DOWN_STATES:
                self._down.add(index)
            if (master := message.get_attr("IFLA_MASTER")) is not None:
                self._masters[index] = master
            if _kind(message) == "vrf":
                self._vrfs.add(index)
        if kind == RTM_NEWLINK and name == old_name:
            return
        for key in [key for key in self._addresses if key[0] == index]:
            address = self._addresses.pop(key)
            if kind == RTM_NEWLINK:
                self._addresses[key] = replace(address, interface=name)


def _kind(message: Any) -> str:  # noqa: ANN401 - untyped library
    """Return what kind of device a link is (`vrf`, `bridge`); empty for hardware."""
    info = message.get_attr("IFLA_LINKINFO")
    return (info and info.get_attr("IFLA_INFO_KIND")) or ""


def _text(name: str | bytes) -> str:
    return name.decode(errors="surrogateescape") if isinstance(name, bytes) else name


def _address(message: Any, interface: str) -> HostAddress:  # noqa: ANN401 - untyped library
    # On a point-to-point link IFA_ADDRESS is the peer's address.
    local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS")
    if flags is None:  # Linux before 3.14 has only the eight flags of ifaddrmsg
        flags = message["flags"]
    first_bit = bool(flags & _IFA_F_SECONDARY)
    ipv4 = message["family"] == socket.AF_INET
    return HostAddress(
        interface=interface,
        address=ip_interface(f"{local}/{message['prefixlen']}"),
        label=_text(message.get_attr("IFA_LABEL") or ""),
        scope=message["scope"],
        secondary=ipv4 and first_bit,
        deprecated=bool(flags & _IFA_F_DEPRECATED),
        # An optimistic address (RFC 4429) counts as tentative: duplicate address detection may
        # still find that another host has it.
        tentative=bool(flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED)),
        temporary=not ipv4 and first_bit,
    )


def _order(found: HostAddress) -> tuple[str, int, int, int, str]:
    address = found.address
    return (found.interface, address.version, int(address), address.network.prefixlen, found.label)
