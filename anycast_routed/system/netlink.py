"""Build and walk netlink messages and their attributes (netlink(7), linux/netlink.h).

Only the framing is here. What a message and its attributes mean belongs to the module of the
protocol: rtnetlink in `observe.netlink_addresses`, sock_diag in `observe.sock_diag`.
"""

import errno
import os
import struct
from collections.abc import Iterator
from typing import Final

NETLINK_ROUTE: Final = 0
NETLINK_SOCK_DIAG: Final = 4

NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3

NLM_F_REQUEST: Final = 0x1
NLM_F_DUMP_INTR: Final = 0x10
"""The list changed while the kernel wrote it."""
NLM_F_DUMP: Final = 0x300

HEADER_SIZE: Final = 16
"""Octets of a message's header: length, type, flags, sequence number, port ID."""
LARGEST_DATAGRAM: Final = 1 << 16
"""Octets to receive at once. The kernel writes at most 32 KiB into one datagram."""

_HEADER: Final = struct.Struct("=IHHII")
_ERROR: Final = struct.Struct("=i")
_ATTRIBUTE: Final = struct.Struct("=HH")
_ATTRIBUTE_SIZE: Final = _ATTRIBUTE.size
_TYPE_MASK: Final = 0x3FFF
"""The other two bits say that an attribute is nested or in network byte order."""


def request(kind: int, payload: bytes, *, flags: int = 0, sequence: int = 1) -> bytes:
    """Return a request of this type, with NLM_F_REQUEST and `flags` set, for the kernel."""
    size = HEADER_SIZE + len(payload)
    return _HEADER.pack(size, kind, NLM_F_REQUEST | flags, sequence, 0) + payload


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to a multiple of four octets."""
    return _ATTRIBUTE.pack(_ATTRIBUTE_SIZE + len(value), kind) + value + bytes(-len(value) % 4)


def messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the type, the flags and the octets, header included, of each message.

    Stop at a length that is shorter than a header. The last message may be cut short: the caller
    checks that a message has what it reads from it.
    """
    unpack, end = _HEADER.unpack_from, len(datagram) - HEADER_SIZE
    start = 0
    while start <= end:
        size, kind, flags, _, _ = unpack(datagram, start)
        if size < HEADER_SIZE:
            return
        yield kind, flags, datagram[start : start + size]
        start += size + 3 & ~3


def attributes(message: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the value of each attribute, from the offset `start` of the message on.

    Stop at a length that is shorter than an attribute's header. The last value may be cut short.
    """
    unpack, end = _ATTRIBUTE.unpack_from, len(message) - _ATTRIBUTE_SIZE
    while start <= end:
        size, kind = unpack(message, start)
        if size < _ATTRIBUTE_SIZE:
            return
        yield kind & _TYPE_MASK, message[start + _ATTRIBUTE_SIZE : start + size]
        start += size + 3 & ~3


def error(message: bytes) -> OSError:
    """Return the error that a message of type NLMSG_ERROR reports; number 0 acknowledges."""
    if len(message) < HEADER_SIZE + _ERROR.size:
        return OSError(errno.EBADMSG, "the kernel's error message has no error number")
    number = -_ERROR.unpack_from(message, HEADER_SIZE)[0]
    return OSError(number, os.strerror(number))
