"""The kernel's word on UDP sockets (sock_diag(7)): when one dies, and which there are.

All of it works for an ordinary user without capabilities, for the network namespace we are in.
"""

import ctypes
import errno
import ipaddress
import os
import socket
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from anycast_routed.model import Address

_NETLINK_SOCK_DIAG: Final = 4
_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_SO_ATTACH_FILTER: Final = 26
_DESTROY_GROUPS: Final = (2, 4)  # SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_UDP_DESTROY
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x1 | 0x300
_ERROR, _DONE = 2, 3
_UNCONNECTED: Final = 1 << 7
"""A UDP socket without a peer has the state of a closed TCP one."""
_MEMORY, _V6ONLY, _CGROUP_ID = 7, 11, 21  # INET_DIAG_*, linux/inet_diag.h
_WITH_MEMORY: Final = 1 << _MEMORY - 1
_DROPS: Final = 8  # SK_MEMINFO_DROPS, linux/sock_diag.h
_HEADER: Final = struct.Struct("=IHHII")
_MESSAGE: Final = 16 + 72  # nlmsghdr and inet_diag_msg
_ATTRIBUTE: Final = 4  # an attribute's own header
_LARGEST: Final = 1 << 16
_ANY4: Final = IPv4Address(0)
_ANY6: Final = IPv6Address(0)
_MOST_NEWS: Final = 1000
"""Messages that are read at once; the others are read in the next turn."""
_MOST_FILTERED: Final = 1000
"""With more ports than this the filter would grow too long; ports are then told apart here."""
_BPF = struct.Struct("HBBI")
_LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x28, 0x15, 0x06
_SPORT, _DPORT = 20, 22
_ALL: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Listener:
    """A UDP socket that takes datagrams from anyone."""

    address: Address
    port: int
    inode: int
    v6only: bool
    cgroup: int
    """The ID of the cgroup in which it was made; 0 where the kernel doesn't tell."""
    drops: int
    """Datagrams that it lost so far, nearly all to a full queue, modulo 2^32."""


class Listeners:
    """All listeners on one port, at one moment."""

    def __init__(self, found: Iterable[Listener]) -> None:
        self._bound: defaultdict[Address, list[Listener]] = defaultdict(list)
        for one in found:
            mapped = one.address.ipv4_mapped if isinstance(one.address, IPv6Address) else None
            self._bound[mapped or one.address].append(one)

    def serving(self, address: Address) -> tuple[Listener, ...]:
        """Give those that take what is sent to this address, which is on this host.

        The kernel prefers those that are bound to it over those that are bound to all addresses.
        """
        if address in self._bound:
            return tuple(self._bound[address])
        dual = [one for one in self._bound.get(_ANY6, ()) if not one.v6only]
        any4 = (*self._bound.get(_ANY4, ()), *dual)
        return any4 if isinstance(address, IPv4Address) else tuple(self._bound.get(_ANY6, ()))


class Deaths:
    """The kernel's news of UDP sockets that have closed.

    Without a filter a busy resolver would flood us with the deaths of its client sockets. Raises
    OSError where the kernel does not let us.
    """

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG
        )
        try:
            _attach(self._socket, program(self._ports))  # before we join, so that nothing slips in
            self._socket.bind((0, 0))
            for group in _DESTROY_GROUPS:
                self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Give the descriptor, readable when there is news."""
        return self._socket.fileno()

    def read(self) -> frozenset[int]:
        """Give the ports on which sockets have died; all ports when news was lost."""
        died: set[int] = set()
        for _ in range(_MOST_NEWS):
            try:
                messages = self._socket.recv(_LARGEST)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                died |= self._ports
                continue
            for _, message in _split(messages):
                if len(message) >= _MESSAGE:
                    died |= {int.from_bytes(message[_SPORT : _SPORT + 2])} & self._ports
        return frozenset(died)

    def close(self) -> None:
        """Leave."""
        self._socket.close()


def program(ports: Collection[int]) -> list[tuple[int, int, int, int]]:
    """Give the classic BPF program that lets pass what has no peer and is on one of our ports."""
    drop, take = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _ALL)
    unconnected = [(_LOAD_HALF, 0, 0, _DPORT), (_JUMP_EQUAL, 1, 0, 0), drop]
    if len(ports) > _MOST_FILTERED:
        return [*unconnected, take]
    # An own return for each port, because a jump can't reach further than 255 instructions.
    ours = [step for port in sorted(ports) for step in ((_JUMP_EQUAL, 0, 1, port), take)]
    return [*unconnected, (_LOAD_HALF, 0, 0, _SPORT), *ours, drop]


def listeners(port: int) -> Listeners:
    """Give all UDP sockets on a port that are not connected. Raises OSError."""
    found: list[Listener] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(0.5)
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                found += _dump(netlink, family, port)
            except OSError as error:
                # A kernel without IPv6 has no IPv6 sockets.
                if family == socket.AF_INET or error.errno != errno.ENOENT:
                    raise
    return Listeners(found)


def _dump(netlink: socket.socket, family: int, port: int) -> Iterator[Listener]:
    # inet_diag_req_v2: family, protocol, extensions, padding, states, and the socket's identity.
    wanted = struct.pack("=BBBxI", family, socket.IPPROTO_UDP, _WITH_MEMORY, _UNCONNECTED)
    body = wanted + port.to_bytes(2) + bytes(46)
    size = _HEADER.size + len(body)
    netlink.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 0, 0) + body)
    while True:
        for kind, message in _split(netlink.recv(_LARGEST)):
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -int.from_bytes(message[16:20], "little", signed=True)
                raise OSError(number, os.strerror(number))
            if len(message) >= _MESSAGE:
                yield _listener(message)


def _listener(message: bytes) -> Listener:
    width = 4 if message[16] == socket.AF_INET else 16
    attributes = dict(_attributes(message))
    return Listener(
        address=ipaddress.ip_address(message[24 : 24 + width]),
        port=int.from_bytes(message[_SPORT : _SPORT + 2]),
        inode=struct.unpack_from("=I", message, _MESSAGE - 4)[0],
        v6only=any(attributes.get(_V6ONLY, b"\0")),
        cgroup=struct.unpack("=Q", attributes.get(_CGROUP_ID, bytes(8)))[0],
        drops=struct.unpack_from("=I", attributes.get(_MEMORY, bytes(36)), 4 * _DROPS)[0],
    )


def _attributes(message: bytes) -> Iterator[tuple[int, bytes]]:
    at = _MESSAGE
    while at + _ATTRIBUTE <= len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if size < _ATTRIBUTE:
            return
        yield kind, message[at + _ATTRIBUTE : at + size]
        at += size + 3 & ~3


def _split(messages: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(messages):
        size, kind, *_ = _HEADER.unpack_from(messages, at)
        if size < _HEADER.size:
            return
        yield kind, messages[at : at + size]
        at += size + 3 & ~3


def _attach(netlink: socket.socket, steps: list[tuple[int, int, int, int]]) -> None:
    code = ctypes.create_string_buffer(b"".join(_BPF.pack(*step) for step in steps))
    # struct sock_fprog: the kernel copies the program during the call.
    netlink.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_FILTER,
        struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)),
    )
