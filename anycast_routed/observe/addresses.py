"""The interfaces and addresses of this host, now and after each change (rtnetlink(7)).

The sockets are our own, and pyroute2 decodes what they give: after an overrun its AsyncIPRoute is
dead for good, and its IPRoute cannot be used beside a running loop.
"""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final

from pyroute2.netlink.exceptions import NetlinkDecodeError
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, HostUnreadableError
from anycast_routed.model import Host
from anycast_routed.observe.address_table import (
    DEL_ADDRESS,
    DEL_LINK,
    NEW_ADDRESS,
    NEW_LINK,
    Table,
)

_FORMATS: Final = {
    NEW_LINK: ifinfmsg,
    DEL_LINK: ifinfmsg,
    NEW_ADDRESS: ifaddrmsg,
    DEL_ADDRESS: ifaddrmsg,
}

# linux/netlink.h
_HEADER: Final = struct.Struct("=IHHII")
_CODE: Final = struct.Struct("=i")
_ERROR: Final = 2
_DONE: Final = 3
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_DUMP_INTERRUPTED: Final = 0x10
"""NLM_F_DUMP_INTR: the list changed while the kernel was writing it."""

# linux/rtnetlink.h: what to send for a list, and the groups that tell of changes
_LINKS: Final = (18, struct.pack("=16xHHI", 8, 29, 8))  # IFLA_EXT_MASK: without statistics
_ADDRESSES: Final = (22, bytes(8))
_GROUPS: Final = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR

_LARGEST: Final = 65536
"""Octets of one datagram: the kernel writes at most 32 KiB into one."""
_WITHIN: Final = 5.0
_TRIES: Final = 10

_BUFFER: Final = 1024 * 1024
"""Octets of changes that may wait for us; the kernel may give less (net.core.rmem_max)."""
_AT_ONCE: Final = 100
"""Changes that are taken in one turn of the loop: about 5 ms of work."""
_QUIET: Final = 0.001
_GATHER: Final = 0.02
_AGAIN: Final = 0.2
_GIVE_UP: Final = 10.0


def read() -> Host:
    """Give all interfaces, those that are down, and all addresses, always in the same order.

    Every state, scope and family is in it; which addresses are of use is decided elsewhere.

    Blocks for about 0.1 ms an address: use `asyncio.to_thread` in a running event loop. Raises
    AccessDeniedError where netlink is denied, HostUnreadableError where it fails or where the
    addresses never stand still.
    """
    try:
        return _load().host()
    except OSError as error:
        raise _failure(error) from error


async def changes(*, buffer: int = _BUFFER) -> AsyncGenerator[Host, None]:
    """Give all that `read` gives, and give it again after each change, some 2 ms later.

    Changes that come together are given together, at most 20 ms after the first of them; two
    equal values never follow each other. When changes were lost, since more than `buffer` octets
    of them waited, or when the socket fails, everything is read anew. Nothing is polled. Its
    socket lives until the generator is closed: use `contextlib.aclosing`.

    Raises what `read` does, when the first reading fails or nothing could be read for 10 s.
    """
    last: Host | None = None
    failing: float | None = None
    clock = asyncio.get_running_loop().time
    while True:
        try:
            with _subscribe(buffer) as netlink:
                # What changes during this reading is taken in after it, a second time perhaps.
                table = await asyncio.to_thread(_load)
                while True:
                    host, failing = table.host(), None
                    if host != last:
                        last = host
                        yield host
                    await _follow(netlink, table)
        except OSError as error:
            failing = clock() if failing is None else failing
            if last is None or clock() - failing > _GIVE_UP:
                raise _failure(error) from error
            await asyncio.sleep(_GATHER if error.errno == errno.ENOBUFS else _AGAIN)


def _subscribe(buffer: int) -> socket.socket:
    netlink = _open()
    try:
        netlink.settimeout(0)
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        netlink.bind((0, _GROUPS))
    except BaseException:
        netlink.close()
        raise
    return netlink


async def _follow(netlink: socket.socket, table: Table) -> None:
    """Wait for a change, and take it in with those that come together with it."""
    loop = asyncio.get_running_loop()
    _take(table, await loop.sock_recv(netlink, _LARGEST))
    end = loop.time() + _GATHER
    waiting = True
    while waiting and loop.time() < end:
        await asyncio.sleep(_QUIET)
        waiting = _drain(netlink, table)


def _drain(netlink: socket.socket, table: Table) -> bool:
    """Take in what is waiting; False when nothing was."""
    for number in range(_AT_ONCE):
        try:
            _take(table, netlink.recv(_LARGEST))
        except BlockingIOError:
            return number > 0
    return True


def _take(table: Table, datagram: bytes) -> None:
    for kind, _, body in _messages(datagram):
        if kind in _FORMATS:
            table.take(kind, _decoded(kind, body))


def _load() -> Table:
    """Read everything into a new table."""
    table = Table()
    # The links come second, so that no address is without its interface unless that is gone.
    addresses = _dump(*_ADDRESSES)
    for datagram in [*_dump(*_LINKS), *addresses]:
        _take(table, datagram)
    return table


def _dump(kind: int, body: bytes) -> list[bytes]:
    """Give the kernel's list in its own datagrams."""
    request = _HEADER.pack(_HEADER.size + len(body), kind, _DUMP, 1, 0) + body
    for _ in range(_TRIES):
        with _open() as netlink:
            netlink.settimeout(_WITHIN)
            netlink.send(request)
            datagrams, flags, done = [], 0, False
            while not done:
                datagrams.append(netlink.recv(_LARGEST))
                for answer, its_flags, content in _messages(datagrams[-1]):
                    flags |= its_flags
                    done = done or answer == _DONE
                    if answer == _ERROR:
                        number = -_CODE.unpack_from(content, _HEADER.size)[0]
                        raise OSError(number, os.strerror(number))
        if not flags & _DUMP_INTERRUPTED:
            return datagrams
    raise OSError(errno.EBUSY, f"they changed during each of {_TRIES} readings")


def _open() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    return socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give the type, the flags and the octets, header included, of each message."""
    start = 0
    while start + _HEADER.size <= len(datagram):
        size, kind, flags, _, _ = _HEADER.unpack_from(datagram, start)
        if size < _HEADER.size:
            break
        yield kind, flags, datagram[start : start + size]
        start += -(-size // 4) * 4


def _decoded(kind: int, message: bytes) -> Any:  # noqa: ANN401 - untyped library
    decoded = _FORMATS[kind](message)
    try:
        decoded.decode()
    except NetlinkDecodeError as error:
        text = f"a message of the kernel cannot be read: {error}"
        raise OSError(errno.EBADMSG, text) from error
    return decoded


def _failure(error: OSError) -> AnycastRoutedError:
    message = f"the host's addresses cannot be read: {error.strerror}"
    if error.errno in {errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT}:
        hint = "allow AF_NETLINK sockets (systemd: RestrictAddressFamilies=AF_NETLINK ...)"
        return AccessDeniedError(message, hint=hint)
    if error.errno == errno.EBUSY:
        return HostUnreadableError(message, hint="look for what sets them: ip monitor address")
    return HostUnreadableError(message, hint="see whether `ip address` works here")
