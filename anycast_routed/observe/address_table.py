"""The interfaces and addresses of this host, updated from rtnetlink(7) messages."""

import bisect
import errno
import socket
import struct
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final

from anycast_routed.model import Host, HostAddress
from anycast_routed.system import netlink

# linux/rtnetlink.h
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21

_LINK: Final = struct.Struct("=BxHiI4x")
"""struct ifinfomsg: the family, the type, the index and the flags; then its attributes follow."""
_ADDRESS: Final = struct.Struct("=BBBBi")
"""struct ifaddrmsg: the family, the prefix length, eight flags, the scope and the index."""
_NUMBER: Final = struct.Struct("=I")
_STATE: Final = struct.Struct("=B")

# linux/if_link.h
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_OPERSTATE, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 10, 16, 18, 1

# linux/if_addr.h
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_FLAGS = 1, 2, 3, 8
_IFA_F_SECONDARY: Final = 0x01
"""Of an IPv4 address. The same bit of an IPv6 address says that it is temporary (RFC 8981)."""
_IFA_F_DADFAILED: Final = 0x08
_IFA_F_DEPRECATED: Final = 0x20
_IFA_F_TENTATIVE: Final = 0x40

_IFF_UP: Final = 0x1  # linux/if.h
_DOWN_STATES: Final = frozenset({1, 2, 3})
"""The operational states NOTPRESENT, DOWN and LOWERLAYERDOWN (RFC 2863, linux/if.h).

UNKNOWN is not one of them: drivers that do not track the state report it, such as lo, dummy and
tun.
"""
_SIZES: Final[dict[int, int]] = {socket.AF_INET: 4, socket.AF_INET6: 16}
"""The octets of an address of each family."""


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
        self._addresses: dict[int, dict[tuple[int, bytes, bytes], HostAddress]] = {}
        """By interface index; then by prefix length, local address and peer address."""
        self._sorted: list[HostAddress] = []
        """All addresses in order: with thousands, to sort them after each message takes long."""

    def host(self) -> Host:
        """Return all interfaces and addresses, always in the same order."""
        return Host(
            frozenset(self._names.values()),
            tuple(self._sorted),
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

    def apply(self, kind: int, message: bytes) -> None:
        """Apply one message of type `kind`, header included; ignore what is of another type.

        Raises OSError (EBADMSG) if it is malformed.
        """
        try:
            if kind in {RTM_NEWADDR, RTM_DELADDR}:
                self._apply_address(kind, message)
            elif kind in {RTM_NEWLINK, RTM_DELLINK}:
                self._apply_link(kind, message)
        except (struct.error, KeyError, ValueError) as error:
            text = f"a message of the kernel is malformed: {error!r}"
            raise OSError(errno.EBADMSG, text) from error

    def _apply_address(self, kind: int, message: bytes) -> None:
        family, length, few_flags, scope, index = _ADDRESS.unpack_from(message, netlink.HEADER_SIZE)
        if index not in self._names or family not in _SIZES:
            return
        given = dict(netlink.attributes(message, netlink.HEADER_SIZE + _ADDRESS.size))
        # On a point-to-point link IFA_ADDRESS is the peer's address.
        local = given.get(_IFA_LOCAL) or given[_IFA_ADDRESS]
        # An interface may have one address with several prefix lengths and several peers.
        key = (length, local, given.get(_IFA_ADDRESS, b""))
        known = self._addresses.setdefault(index, {})
        if (old := known.pop(key, None)) is not None:
            self._remove(old)
        if kind == RTM_NEWADDR:
            # Linux before 3.14 has only the eight flags of ifaddrmsg.
            flags = _NUMBER.unpack(given[_IFA_FLAGS])[0] if _IFA_FLAGS in given else few_flags
            made = HostAddress(
                interface=self._names[index],
                address=_interface(family, local, length),
                label=_text(given.get(_IFA_LABEL, b"")),
                scope=scope,
                **_states(family, flags),
            )
            # What repeats is kept as it is, so that it is quickly seen to be the same.
            known[key] = old if made == old else made
            bisect.insort(self._sorted, known[key], key=_order)

    def _remove(self, address: HostAddress) -> None:
        at = bisect.bisect_left(self._sorted, _order(address), key=_order)
        while self._sorted[at] is not address:  # others may have the same place
            at += 1
        del self._sorted[at]

    def _apply_link(self, kind: int, message: bytes) -> None:
        family, _, index, flags = _LINK.unpack_from(message, netlink.HEADER_SIZE)
        # A bridge reports changes of its ports as link messages of family AF_BRIDGE: these do not
        # add or remove an interface.
        if family != socket.AF_UNSPEC:
            return
        given = dict(netlink.attributes(message, netlink.HEADER_SIZE + _LINK.size))
        name = _text(given[_IFLA_IFNAME])
        old_name = self._names.pop(index, name)
        self._down.discard(index)
        self._vrfs.discard(index)
        self._masters.pop(index, None)
        if kind == RTM_NEWLINK:
            self._names[index] = name
            (state,) = _STATE.unpack(given.get(_IFLA_OPERSTATE, b"\0"))
            if not flags & _IFF_UP or state in _DOWN_STATES:
                self._down.add(index)
            if _IFLA_MASTER in given:
                (self._masters[index],) = _NUMBER.unpack(given[_IFLA_MASTER])
            if _kind(given.get(_IFLA_LINKINFO, b"")) == "vrf":
                self._vrfs.add(index)
        if kind == RTM_DELLINK or name != old_name:
            self._rename(index, name if kind == RTM_NEWLINK else None)

    def _rename(self, index: int, name: str | None) -> None:
        """Give the addresses of an interface its new name, or remove them with it."""
        for key, address in self._addresses.pop(index, {}).items():
            self._remove(address)
            if name is not None:
                renamed = replace(address, interface=name)
                self._addresses.setdefault(index, {})[key] = renamed
                bisect.insort(self._sorted, renamed, key=_order)


def _kind(info: bytes) -> str:
    """Return what kind of device a link is (`vrf`, `bridge`); empty for hardware."""
    return _text(dict(netlink.attributes(info, 0)).get(_IFLA_INFO_KIND, b""))


def _text(value: bytes) -> str:
    """Return a text of the kernel, which ends with a zero octet."""
    return value.partition(b"\0")[0].decode(errors="surrogateescape")


def _interface(family: int, octets: bytes, length: int) -> IPv4Interface | IPv6Interface:
    """Return an address with its prefix length. Raises ValueError."""
    if len(octets) != _SIZES[family]:
        text = f"an address of {len(octets)} octets"
        raise ValueError(text)
    kind = IPv4Interface if family == socket.AF_INET else IPv6Interface
    return kind((octets, length))


def _states(family: int, flags: int) -> dict[str, bool]:
    """Return the fields of a HostAddress that the flags of the kernel decide."""
    first_bit, ipv4 = bool(flags & _IFA_F_SECONDARY), family == socket.AF_INET
    return {
        "secondary": ipv4 and first_bit,
        "deprecated": bool(flags & _IFA_F_DEPRECATED),
        # An optimistic address (RFC 4429) counts as tentative: duplicate address detection may
        # still find that another host has it.
        "tentative": bool(flags & (_IFA_F_TENTATIVE | _IFA_F_DADFAILED)),
        "temporary": not ipv4 and first_bit,
    }


def _order(found: HostAddress) -> tuple[str, int, int, int, str]:
    address = found.address
    return (found.interface, address.version, int(address), address.network.prefixlen, found.label)
