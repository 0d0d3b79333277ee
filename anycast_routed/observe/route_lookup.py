"""Ask the kernel which addresses it delivers on this host (rtnetlink(7), RTM_GETROUTE)."""

import socket
import struct
import sys
from collections.abc import Iterable
from typing import Final, NamedTuple

from anycast_routed.errors import HostUnreadableError
from anycast_routed.model import Address
from anycast_routed.system import netlink

# linux/rtnetlink.h: struct rtmsg, and the numbers of what is asked and answered
_NEW_ROUTE: Final = 24
_GET_ROUTE: Final = 26
_DESTINATION: Final = 1  # RTA_DST
_PRIORITY: Final = 6  # RTA_PRIORITY
_TABLE: Final = 15  # RTA_TABLE
_TABLE_LOCAL: Final = 255  # RT_TABLE_LOCAL
_LOCAL: Final = 2  # RTN_LOCAL
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_FIB_MATCH: Final = 0x2000  # RTM_F_FIB_MATCH: the route itself, with its prefix length
_LENGTH_AT: Final = netlink.HEADER_SIZE + 1
_TYPE_AT: Final = netlink.HEADER_SIZE + 7
_V4: Final = 4
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}

_WITHIN: Final = 1.0
"""Seconds to wait for each answer; the kernel answers before `send` returns."""


def local(addresses: Iterable[Address], *, by_host_route: bool = False) -> frozenset[Address]:
    """Return the addresses whose packets the kernel delivers on this host.

    That is what its routing rules and tables say for a packet that this host sends: an address of
    an interface, or a route of the type `local`. With `by_host_route`, only those count whose local
    route is for exactly this address, and beats each other one that is: by the metric 0 for IPv4,
    since the kernel keeps the tables local and main as one, and by the table local for IPv6. Costs
    about 10 us an address.

    Raises:
        HostUnreadableError: netlink is denied or does not answer.
    """
    raw = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    try:
        with socket.socket(socket.AF_NETLINK, raw, netlink.NETLINK_ROUTE) as opened:
            opened.settimeout(_WITHIN)
            return frozenset(
                one
                for one in addresses
                for route in (_route(opened, one),)
                if route is not None and route.kind == _LOCAL
                if not by_host_route or _beats_all(route, one)
            )
    except OSError as error:
        message = f"the kernel's routes cannot be read: {error.strerror or error}"
        hint = "check that `ip route get ADDRESS` works on this host"
        raise HostUnreadableError(message, hint=hint) from error


class _Route(NamedTuple):
    """The route that the kernel would use."""

    kind: int
    length: int
    """The length of its prefix."""
    table: int
    metric: int


def _beats_all(route: _Route, address: Address) -> bool:
    """Tell whether no other route for exactly this address takes its place."""
    first = route.metric == 0 if address.version == _V4 else route.table == _TABLE_LOCAL
    return first and route.length == address.max_prefixlen


def _route(opened: socket.socket, address: Address) -> _Route | None:
    """Return the route that the kernel would use; None if it has no usable one."""
    fields = (_FAMILIES[address.version], address.max_prefixlen, 0, 0, 0, 0, 0, 0, _FIB_MATCH)
    payload = _ROUTE.pack(*fields) + netlink.attribute(_DESTINATION, address.packed)
    opened.send(netlink.request(_GET_ROUTE, payload))
    for answer, _, message in netlink.messages(opened.recv(netlink.LARGEST_DATAGRAM)):
        if answer == _NEW_ROUTE and len(message) > _TYPE_AT:
            given = dict(netlink.attributes(message, netlink.HEADER_SIZE + _ROUTE.size))
            return _Route(
                kind=message[_TYPE_AT],
                length=message[_LENGTH_AT],
                table=int.from_bytes(given.get(_TABLE, b""), sys.byteorder),
                metric=int.from_bytes(given.get(_PRIORITY, b""), sys.byteorder),
            )
    return None
