"""Ask the kernel about sockets (sock_diag(7)): which exist, whose, and when one is closed.

This needs no capabilities. It covers the network namespace of the process.
"""

import ctypes
import errno
import ipaddress
import socket
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from anycast_routed.model import Address
from anycast_routed.system import netlink

_SOL_NETLINK: Final = 270
_NETLINK_ADD_MEMBERSHIP: Final = 1
_SO_ATTACH_FILTER: Final = 26
_DESTROY_GROUPS: Final = (2, 4)  # SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_UDP_DESTROY
_SOCK_DIAG_BY_FAMILY: Final = 20
_UNCONNECTED: Final = 1 << 7
"""A UDP socket without a peer has the state TCP_CLOSE."""
_LISTENING: Final = 1 << 10
_MEMORY, _V6ONLY, _CGROUP_ID = 7, 11, 21  # INET_DIAG_*, linux/inet_diag.h
_WITH_MEMORY: Final = 1 << _MEMORY - 1
_DROPS: Final = 8  # SK_MEMINFO_DROPS, linux/sock_diag.h
_ATTRIBUTES_AT: Final = netlink.HEADER_SIZE + 72
"""Offset of the attributes: they follow struct inet_diag_msg."""
_DEVICE_AT: Final = netlink.HEADER_SIZE + 40
_LAST: Final = struct.Struct("=IIII")
"""The last fields of struct inet_diag_msg: receive queue, send queue, user and inode."""
_TIMEOUT: Final = 0.5
"""Seconds to wait for each datagram of a dump."""
_ANY_IPV4: Final = IPv4Address(0)
_ANY_IPV6: Final = IPv6Address(0)
_MOST_EVENTS: Final = 1000
"""Datagrams to read at once; the rest is read in the next turn of the event loop."""
_MOST_FILTERED: Final = 1000
"""With more ports than this the BPF program would be too long, so this module filters the ports."""
_BPF: Final = struct.Struct("HBBI")
_LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x28, 0x15, 0x06
_SOURCE_PORT, _DESTINATION_PORT = 20, 22
"""Offsets in a sock_diag message."""
_ALL: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Listener:
    """A UDP socket without a peer, which receives datagrams from any address.

    Or a TCP socket that accepts connections.
    """

    address: Address
    port: int
    inode: int
    v6only: bool
    cgroup: int
    """The ID of the cgroup in which it was opened; 0 if the kernel does not report it."""
    waiting: int
    """Of a UDP socket: bytes of memory of the datagrams in its receive queue."""
    drops: int
    """Datagrams dropped so far, nearly all because the queue was full, modulo 2^32."""
    user: int
    """The UID of the process that opened it, at that time."""
    device: int
    """The index of the interface to which it is bound; 0 if to none."""


class Listeners:
    """All listeners on one port, at one moment."""

    def __init__(self, found: Iterable[Listener]) -> None:
        self._bound: defaultdict[Address, list[Listener]] = defaultdict(list)
        for one in found:
            mapped = one.address.ipv4_mapped if isinstance(one.address, IPv6Address) else None
            self._bound[mapped or one.address].append(one)

    def serving(self, address: Address) -> tuple[Listener, ...]:
        """Return the listeners that receive datagrams for this address of the host.

        The kernel prefers sockets bound to the address over sockets bound to all addresses.
        """
        return tuple(self.bound_to(address) or self.on_all(address))

    def reachable_at(self, address: Address) -> tuple[Listener, ...]:
        """Return the listeners on this address of the host, and those on all addresses.

        The latter receive its datagrams as soon as no socket is bound to the address itself.
        """
        return (*self.bound_to(address), *self.on_all(address))

    def bound_to(self, address: Address) -> Sequence[Listener]:
        """Return the listeners on exactly this address."""
        return self._bound.get(address, ())

    def on_all(self, address: Address) -> Sequence[Listener]:
        """Return the listeners on all addresses of this address's family."""
        any_ipv6 = self._bound.get(_ANY_IPV6, [])
        if isinstance(address, IPv6Address):
            return any_ipv6
        return [*self._bound.get(_ANY_IPV4, ()), *(one for one in any_ipv6 if not one.v6only)]


class ClosedSockets:
    """The kernel's events for UDP sockets that are closed, on a set of local ports.

    A BPF filter in the kernel drops the events of other sockets: a busy resolver closes thousands
    of client sockets a second. Raises OSError if the kernel denies it.
    """

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, netlink.NETLINK_SOCK_DIAG
        )
        try:
            # The filter comes before the membership, so that no other event gets in between.
            _attach(self._socket, port_filter(self._ports))
            self._socket.bind((0, 0))
            for group in _DESTROY_GROUPS:
                self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, which is readable when an event is waiting."""
        return self._socket.fileno()

    def read(self) -> frozenset[int]:
        """Return the ports of the sockets that were closed; all ports if events were lost."""
        closed: set[int] = set()
        for _ in range(_MOST_EVENTS):
            try:
                datagram = self._socket.recv(netlink.LARGEST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                closed |= self._ports
                continue
            for _, _, message in netlink.messages(datagram):
                if len(message) >= _ATTRIBUTES_AT:
                    closed |= {_port(message)} & self._ports
        return frozenset(closed)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def listeners(port: int) -> Listeners:
    """Return all UDP sockets on a port that are not connected. Raises OSError."""
    return Listeners(_on_port(port, socket.IPPROTO_UDP, _UNCONNECTED))


def accepting(port: int) -> Listeners:
    """Return all TCP sockets on a port that accept connections. Raises OSError."""
    return Listeners(_on_port(port, socket.IPPROTO_TCP, _LISTENING))


def _on_port(port: int, protocol: int, states: int) -> list[Listener]:
    found: list[Listener] = []
    kind = socket.SOCK_RAW
    with socket.socket(socket.AF_NETLINK, kind, netlink.NETLINK_SOCK_DIAG) as opened:
        opened.settimeout(_TIMEOUT)
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                found += _dump(opened, family, port, protocol, states)
            except OSError as error:
                # A kernel without IPv6 has no IPv6 sockets.
                if family == socket.AF_INET or error.errno != errno.ENOENT:
                    raise
    return found


def _dump(
    opened: socket.socket, family: int, port: int, protocol: int, states: int
) -> Iterator[Listener]:
    # inet_diag_req_v2: family, protocol, extensions, padding, states, and the socket's identity.
    wanted = struct.pack("=BBBxI", family, protocol, _WITH_MEMORY, states)
    payload = wanted + port.to_bytes(2) + bytes(46)
    opened.send(netlink.request(_SOCK_DIAG_BY_FAMILY, payload, flags=netlink.NLM_F_DUMP))
    while True:
        for kind, _, message in netlink.messages(opened.recv(netlink.LARGEST_DATAGRAM)):
            if kind == netlink.NLMSG_DONE:
                return
            if kind == netlink.NLMSG_ERROR:
                raise netlink.error(message)
            if len(message) >= _ATTRIBUTES_AT:
                yield _listener(message)


def _listener(message: bytes) -> Listener:
    width = 4 if message[16] == socket.AF_INET else 16
    attributes = dict(netlink.attributes(message, _ATTRIBUTES_AT))
    waiting, _, user, inode = _LAST.unpack_from(message, _ATTRIBUTES_AT - _LAST.size)
    return Listener(
        address=ipaddress.ip_address(message[24 : 24 + width]),
        port=_port(message),
        inode=inode,
        v6only=any(attributes.get(_V6ONLY, b"\0")),
        cgroup=struct.unpack("=Q", attributes.get(_CGROUP_ID, bytes(8)))[0],
        waiting=waiting,
        drops=struct.unpack_from("=I", attributes.get(_MEMORY, bytes(36)), 4 * _DROPS)[0],
        user=user,
        device=struct.unpack_from("=I", message, _DEVICE_AT)[0],
    )


def _port(message: bytes) -> int:
    return int.from_bytes(message[_SOURCE_PORT : _SOURCE_PORT + 2])


def port_filter(ports: Collection[int]) -> list[tuple[int, int, int, int]]:
    """Return the classic BPF program that accepts sockets without a peer on one of the ports."""
    drop, accept = (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _ALL)
    unconnected = [(_LOAD_HALF, 0, 0, _DESTINATION_PORT), (_JUMP_EQUAL, 1, 0, 0), drop]
    if len(ports) > _MOST_FILTERED:
        return [*unconnected, accept]
    # Each port has its own return, because a jump reaches no further than 255 instructions.
    one_of = [step for port in sorted(ports) for step in ((_JUMP_EQUAL, 0, 1, port), accept)]
    return [*unconnected, (_LOAD_HALF, 0, 0, _SOURCE_PORT), *one_of, drop]


def _attach(opened: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    code = ctypes.create_string_buffer(b"".join(_BPF.pack(*step) for step in program))
    # struct sock_fprog: the kernel copies the program during the call.
    opened.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_FILTER,
        struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)),
    )
