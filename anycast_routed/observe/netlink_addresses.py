"""Read the interfaces and addresses of this host, and follow their changes (rtnetlink(7)).

This module opens the sockets, and pyroute2 decodes the messages. pyroute2's own sockets do not fit:
its AsyncIPRoute does not recover from an overrun, and its IPRoute cannot run in an event loop.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncGenerator
from typing import Any, Final

from pyroute2.netlink.exceptions import NetlinkDecodeError
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, HostUnreadableError
from anycast_routed.model import Host
from anycast_routed.observe.address_table import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    AddressTable,
)
from anycast_routed.system import netlink

_FORMATS: Final = {
    RTM_NEWLINK: ifinfmsg,
    RTM_DELLINK: ifinfmsg,
    RTM_NEWADDR: ifaddrmsg,
    RTM_DELADDR: ifaddrmsg,
}

# linux/rtnetlink.h: type and payload of a dump request, and the multicast groups
_LINK_DUMP: Final = (18, struct.pack("=16xHHI", 8, 29, 8))  # IFLA_EXT_MASK: without statistics
_ADDRESS_DUMP: Final = (22, bytes(8))
_GROUPS: Final = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR

_DUMP_TIMEOUT: Final = 5.0
"""Seconds to wait for each datagram of a dump."""
_DUMP_TRIES: Final = 10
"""Dumps to try when the addresses change during each of them."""

_BUFFER: Final = 1024 * 1024
"""Octets of the receive buffer; the kernel may give less (net.core.rmem_max)."""
_BATCH: Final = 100
"""Datagrams to apply in one turn of the event loop: about 5 ms of work."""
_QUIET: Final = 0.001
"""Seconds without a message that end a series of changes."""
_GATHER: Final = 0.02
"""Seconds after the first change of a series at which it is reported in any case."""
_RETRY: Final = 0.2
"""Seconds from one failed attempt to read everything again to the next."""
_GIVE_UP: Final = 10.0
"""Seconds of failed attempts after which `changes` raises."""


def read() -> Host:
    """Return all interfaces, the interfaces that are down, and all addresses, in a fixed order.

    Addresses of every state, scope and family are included; `decide` chooses among them.

    Blocks for about 0.1 ms an address: use `asyncio.to_thread` in a running event loop. Raises
    AccessDeniedError if netlink is denied, and HostUnreadableError if it fails or if the addresses
    change during each attempt to read them.
    """
    try:
        return _load().host()
    except OSError as error:
        raise _failure(error) from error


async def changes(*, buffer: int = _BUFFER) -> AsyncGenerator[Host, None]:
    """Yield what `read` returns, and yield it again about 2 ms after each change.

    Changes that follow each other closely are reported together, at most 20 ms after the first.
    Two equal values never follow each other. If changes were lost because more than `buffer` octets
    were waiting, or if the socket fails, everything is read again. Nothing is polled. The socket
    stays open until the generator is closed: use `contextlib.aclosing`.

    Raises the errors of `read` if the first reading fails, or if reading again fails for 10 s.
    """
    last: Host | None = None
    failing_since: float | None = None
    clock = asyncio.get_running_loop().time
    while True:
        try:
            with _subscribe(buffer) as subscription:
                # A change during this reading is applied after it, possibly for a second time.
                table = await asyncio.to_thread(_load)
                while True:
                    host, failing_since = table.host(), None
                    if host != last:
                        last = host
                        yield host
                    await _follow(subscription, table)
        except OSError as error:
            failing_since = clock() if failing_since is None else failing_since
            if last is None or clock() - failing_since > _GIVE_UP:
                raise _failure(error) from error
            await asyncio.sleep(_GATHER if error.errno == errno.ENOBUFS else _RETRY)


def _subscribe(buffer: int) -> socket.socket:
    """Open a non-blocking socket that receives every change of a link or an address."""
    subscription = _open()
    try:
        subscription.settimeout(0)
        subscription.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        subscription.bind((0, _GROUPS))
    except BaseException:
        subscription.close()
        raise
    return subscription


async def _follow(subscription: socket.socket, table: AddressTable) -> None:
    """Wait for a change, and apply it together with the changes that follow closely."""
    loop = asyncio.get_running_loop()
    _apply(table, await loop.sock_recv(subscription, netlink.LARGEST_DATAGRAM))
    end = loop.time() + _GATHER
    more = True
    while more and loop.time() < end:
        await asyncio.sleep(_QUIET)
        more = _apply_waiting(subscription, table)


def _apply_waiting(subscription: socket.socket, table: AddressTable) -> bool:
    """Apply up to `_BATCH` waiting datagrams; return False if none was waiting."""
    for number in range(_BATCH):
        try:
            _apply(table, subscription.recv(netlink.LARGEST_DATAGRAM))
        except BlockingIOError:
            return number > 0
    return True


def _apply(table: AddressTable, datagram: bytes) -> None:
    for kind, _, message in netlink.messages(datagram):
        if kind in _FORMATS:
            table.apply(kind, _decoded(kind, message))


def _load() -> AddressTable:
    """Read everything into a new table."""
    table = AddressTable()
    # Links are dumped second: then each address has its interface, unless that was just removed.
    addresses = _dump(*_ADDRESS_DUMP)
    for datagram in [*_dump(*_LINK_DUMP), *addresses]:
        _apply(table, datagram)
    return table


def _dump(kind: int, payload: bytes) -> list[bytes]:
    """Return the datagrams of one consistent dump. Raises OSError."""
    request = netlink.request(kind, payload, flags=netlink.NLM_F_DUMP)
    for _ in range(_DUMP_TRIES):
        datagrams, flags, done = [], 0, False
        with _open() as opened:
            opened.settimeout(_DUMP_TIMEOUT)
            opened.send(request)
            while not done:
                datagrams.append(opened.recv(netlink.LARGEST_DATAGRAM))
                for answer, its_flags, message in netlink.messages(datagrams[-1]):
                    flags |= its_flags
                    done = done or answer == netlink.NLMSG_DONE
                    if answer == netlink.NLMSG_ERROR:
                        raise netlink.error(message)
        if not flags & netlink.NLM_F_DUMP_INTR:
            return datagrams
    raise OSError(errno.EBUSY, f"they changed during each of {_DUMP_TRIES} attempts to read them")


def _open() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    return socket.socket(socket.AF_NETLINK, kind, netlink.NETLINK_ROUTE)


def _decoded(kind: int, message: bytes) -> Any:  # noqa: ANN401 - untyped library
    decoded = _FORMATS[kind](message)
    try:
        decoded.decode()
    except NetlinkDecodeError as error:
        text = f"a message of the kernel is malformed: {error}"
        raise OSError(errno.EBADMSG, text) from error
    return decoded


def _failure(error: OSError) -> AnycastRoutedError:
    """Return the error for the operator, with a hint for its cause."""
    message = f"the host's addresses cannot be read: {error.strerror or error}"
    if error.errno in {errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT}:
        hint = "allow AF_NETLINK sockets (systemd: RestrictAddressFamilies=AF_NETLINK ...)"
        return AccessDeniedError(message, hint=hint)
    if error.errno == errno.EBUSY:
        hint = "find the program that changes them all the time: ip monitor address"
        return HostUnreadableError(message, hint=hint)
    return HostUnreadableError(message, hint="check that `ip address` works on this host")
