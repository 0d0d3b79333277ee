"""Ask the kernel which addresses it delivers on this host (rtnetlink(7), RTM_GETROUTE)."""

import socket
import struct
from collections.abc import Iterable
from typing import Final

from anycast_routed.errors import HostUnreadableError
from anycast_routed.model import Address
from anycast_routed.system import netlink

# linux/rtnetlink.h: struct rtmsg, and the numbers of what is asked and answered
_NEW_ROUTE: Final = 24
_GET_ROUTE: Final = 26
_DESTINATION: Final = 1  # RTA_DST
_LOCAL: Final = 2  # RTN_LOCAL
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_FIB_MATCH: Final = 0x2000  # RTM_F_FIB_MATCH: the route itself, with its prefix length
_LENGTH_AT: Final = netlink.HEADER_SIZE + 1
_TYPE_AT: Final = netlink.HEADER_SIZE + 7
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}

_WITHIN: Final = 1.0
"""Seconds to wait for each answer; the kernel answers before `send` returns."""


def local(addresses: Iterable[Address], *, by_host_route: bool = False) -> frozenset[Address]:
    """Return the addresses whose packets the kernel delivers on this host.

    That is what its routing rules and tables say for a packet that this host sends: an address of
    an interface, or a route of the type `local`. With `by_host_route`, only those count whose local
    route is for exactly this address: another route for exactly it can only beat a wider one. (The
    kernel keeps the tables local and main as one, where the longest prefix wins.) Costs about 10 us
    an address.

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
                for kind, length in (_route(opened, one),)
                if kind == _LOCAL and (length == one.max_prefixlen or not by_host_route)
            )
    except OSError as error:
        message = f"the kernel's routes cannot be read: {error.strerror or error}"
        hint = "check that `ip route get ADDRESS` works on this host"
        raise HostUnreadableError(message, hint=hint) from error


def _route(opened: socket.socket, address: Address) -> tuple[int, int]:
    """Return the type and the prefix length of the route that the kernel would use.

    Both are -1 if it has no usable one.
    """
    fields = (_FAMILIES[address.version], address.max_prefixlen, 0, 0, 0, 0, 0, 0, _FIB_MATCH)
    payload = _ROUTE.pack(*fields) + netlink.attribute(_DESTINATION, address.packed)
    opened.send(netlink.request(_GET_ROUTE, payload))
    for answer, _, message in netlink.messages(opened.recv(netlink.LARGEST_DATAGRAM)):
        if answer == _NEW_ROUTE and len(message) > _TYPE_AT:
            return message[_TYPE_AT], message[_LENGTH_AT]
    return -1, -1
