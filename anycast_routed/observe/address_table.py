"""The interfaces and addresses of this host, kept as the kernel's messages tell (rtnetlink(7))."""

import socket
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any, Final

from anycast_routed.model import Host, HostAddress

# linux/rtnetlink.h
NEW_LINK: Final = 16
DEL_LINK: Final = 17
NEW_ADDRESS: Final = 20
DEL_ADDRESS: Final = 21

# linux/if_addr.h
_SECONDARY: Final = 0x01
"""For IPv4; the same bit says that an IPv6 address is temporary (RFC 8981)."""
_DAD_FAILED: Final = 0x08
_DEPRECATED: Final = 0x20
_TENTATIVE: Final = 0x40

_UP: Final = 0x1  # IFF_UP, linux/if.h
_CARRIES_NOTHING: Final = frozenset({"NOTPRESENT", "DOWN", "LOWERLAYERDOWN"})
"""Operational states (RFC 2863). UNKNOWN is that of drivers that don't track it: lo, dummy, tun."""


class Table:
    """What the messages so far have told; one that comes twice changes nothing.

    Names and labels come from whoever may set them: octets that are not UTF-8 are kept as
    surrogates (PEP 383), so that two names never become one.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        """Of the interfaces, by their index."""
        self._down: set[int] = set()
        self._addresses: dict[tuple[int, int, str, str], HostAddress] = {}
        """By the interface's index, the prefix length, and the two ends."""

    def host(self) -> Host:
        """Give all of it, always in the same order."""
        return Host(
            frozenset(self._names.values()),
            tuple(sorted(self._addresses.values(), key=_order)),
            frozenset(self._names[index] for index in self._down),
        )

    def take(self, kind: int, message: Any) -> None:  # noqa: ANN401 - untyped library
        """Take in one message of the kernel about a link or an address."""
        index, family = message["index"], message["family"]
        if kind in {NEW_ADDRESS, DEL_ADDRESS}:
            if index in self._names and family in {socket.AF_INET, socket.AF_INET6}:
                self._take_address(kind, message)
        # A bridge tells of its ports in link messages of its own family: no link comes or goes.
        elif family == socket.AF_UNSPEC:
            self._take_link(kind, message)

    def _take_address(self, kind: int, message: Any) -> None:  # noqa: ANN401 - untyped library
        # One address may stand on one link with several lengths and, point to point, peers.
        ends = message.get_attr("IFA_LOCAL"), message.get_attr("IFA_ADDRESS")
        key = (message["index"], message["prefixlen"], *ends)
        if kind == NEW_ADDRESS:
            self._addresses[key] = _address(message, self._names[message["index"]])
        else:
            self._addresses.pop(key, None)

    def _take_link(self, kind: int, message: Any) -> None:  # noqa: ANN401 - untyped library
        index = message["index"]
        name = _text(message.get_attr("IFLA_IFNAME"))
        before = self._names.pop(index, name)
        self._down.discard(index)
        if kind == NEW_LINK:
            self._names[index] = name
            state = message.get_attr("IFLA_OPERSTATE")
            if not message["flags"] & _UP or state in _CARRIES_NOTHING:
                self._down.add(index)
        if kind == NEW_LINK and name == before:
            return
        for key in [key for key in self._addresses if key[0] == index]:
            address = self._addresses.pop(key)
            if kind == NEW_LINK:
                self._addresses[key] = replace(address, interface=name)


def _text(name: str | bytes) -> str:
    return name.decode(errors="surrogateescape") if isinstance(name, bytes) else name


def _address(message: Any, interface: str) -> HostAddress:  # noqa: ANN401 - untyped library
    # Of a point-to-point link's two addresses it is the local one.
    local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS")
    if flags is None:  # a kernel older than 3.14 has no more than eight bits of them
        flags = message["flags"]
    second = bool(flags & _SECONDARY)
    ipv4 = message["family"] == socket.AF_INET
    return HostAddress(
        interface=interface,
        address=ip_interface(f"{local}/{message['prefixlen']}"),
        label=_text(message.get_attr("IFA_LABEL") or ""),
        scope=message["scope"],
        secondary=ipv4 and second,
        deprecated=bool(flags & _DEPRECATED),
        # Optimistic addresses (RFC 4429) count as tentative: they may yet be found to be another's.
        tentative=bool(flags & (_TENTATIVE | _DAD_FAILED)),
        temporary=not ipv4 and second,
    )


def _order(found: HostAddress) -> tuple[str, int, int, int, str]:
    address = found.address
    return (found.interface, address.version, int(address), address.network.prefixlen, found.label)
