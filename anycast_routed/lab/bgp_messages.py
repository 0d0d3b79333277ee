"""Parse and build the BGP messages of the lab's receiver (RFC 4271).

The parsers accept any bytes: input that they cannot parse raises MalformedError and nothing else.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from typing import Final

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH = 1, 2, 3, 4, 5
IPV4, IPV6 = 1, 2
AS_TRANS: Final = 23456  # RFC 6793: the OPEN has it in place of an AS number that needs four bytes

_MARKER = b"\xff" * 16
_HEADER, _LONGEST = 19, 4096  # bytes: RFC 4271, 4.1
_UNICAST = 1
_AS_PATH, _NEXT_HOP, _MED, _LOCAL_PREF, _COMMUNITIES, _REACH, _UNREACH = 2, 3, 4, 5, 8, 14, 15
_EXTENDED_LENGTH = 0x10
_MULTIPROTOCOL, _ROUTE_REFRESH, _FOUR_OCTET_AS = 1, 2, 65
_CAPABILITIES = 2
_BITS = {IPV4: 32, IPV6: 128}


class MalformedError(ValueError):
    """These bytes are not a well-formed BGP message."""


@dataclass(slots=True)
class Open:
    """The content of an OPEN. `asn` is the four-octet AS number if the OPEN has one."""

    asn: int
    hold_time: int
    router_id: str
    four_octet: bool = False


@dataclass(slots=True)
class Update:
    """The content of an UPDATE.

    `announced` has pairs of a prefix and its next hop. `end_of_rib` is the family ("ipv4", "ipv6")
    if the UPDATE is an End-of-RIB marker (RFC 4724), else "".
    """

    announced: list[tuple[str, str]] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    local_pref: int | None = None
    med: int | None = None
    as_path: list[int] = field(default_factory=list)
    communities: list[str] = field(default_factory=list)
    end_of_rib: str = ""


def message(kind: int, body: bytes = b"") -> bytes:
    """Return a complete message: the header and `body`."""
    return _MARKER + struct.pack("!HB", _HEADER + len(body), kind) + body


def open_message(asn: int, hold_time: int, router_id: str) -> bytes:
    """Return an OPEN that offers both unicast families and a four-octet AS number."""
    capabilities = b"".join(
        struct.pack("!BB", code, len(value)) + value
        for code, value in (
            (_MULTIPROTOCOL, struct.pack("!HBB", IPV4, 0, _UNICAST)),
            (_MULTIPROTOCOL, struct.pack("!HBB", IPV6, 0, _UNICAST)),
            (_ROUTE_REFRESH, b""),
            (_FOUR_OCTET_AS, struct.pack("!I", asn)),
        )
    )
    parameters = struct.pack("!BB", _CAPABILITIES, len(capabilities)) + capabilities
    short = asn if asn < 2**16 else AS_TRANS
    identifier = ipaddress.IPv4Address(router_id).packed
    head = struct.pack("!BHH4sB", 4, short, hold_time, identifier, len(parameters))
    return message(OPEN, head + parameters)


def header(data: bytes) -> tuple[int, int]:
    """Return the length of the body and the message type from the 19 bytes of a header.

    Raises:
        MalformedError: the bytes are not a header.
    """
    text = f"bad header {data.hex()}"
    if len(data) != _HEADER or data[:16] != _MARKER:
        raise MalformedError(text)
    length, kind = struct.unpack("!HB", data[16:])
    if not _HEADER <= length <= _LONGEST:
        raise MalformedError(text)
    return length - _HEADER, kind


def parse_open(body: bytes) -> Open:
    """Parse the body of an OPEN.

    Raises:
        MalformedError: the bytes are not the body of an OPEN.
    """
    try:
        _, asn, hold_time, identifier, _ = struct.unpack("!BHH4sB", body[:10])
        found = Open(asn, hold_time, str(ipaddress.IPv4Address(identifier)))
        for parameter, value in _pairs(body[10:]):
            if parameter == _CAPABILITIES:
                for code, content in _pairs(value):
                    if code == _FOUR_OCTET_AS:
                        (found.asn,) = struct.unpack("!I", content)
                        found.four_octet = True
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedError(str(error)) from error
    return found


def parse_update(body: bytes, *, four_octet: bool) -> Update:
    """Parse the body of an UPDATE; ignore attributes that the lab does not use.

    `four_octet` is True if both speakers of the session sent the four-octet AS capability.

    Raises:
        MalformedError: the bytes are not the body of an UPDATE.
    """
    try:
        return _parse_update(body, four_octet=four_octet)
    except (struct.error, IndexError, ValueError) as error:
        raise MalformedError(str(error)) from error


def _parse_update(body: bytes, *, four_octet: bool) -> Update:
    found = Update()
    (size,) = struct.unpack("!H", body[:2])
    found.withdrawn = _prefixes(body[2 : 2 + size], IPV4)
    rest = body[2 + size :]
    (size,) = struct.unpack("!H", rest[:2])
    attributes, nlri = rest[2 : 2 + size], rest[2 + size :]
    if len(attributes) != size:
        raise MalformedError("the attributes are truncated")  # noqa: EM101, TRY003
    if not body.strip(b"\0"):
        found.end_of_rib = "ipv4"
    given = dict(_attributes(attributes))
    found.med = _number(given.get(_MED))
    found.local_pref = _number(given.get(_LOCAL_PREF))
    found.as_path = _as_path(given.get(_AS_PATH, b""), 4 if four_octet else 2)
    found.communities = _communities(given.get(_COMMUNITIES, b""))
    next_hop = str(ipaddress.IPv4Address(given[_NEXT_HOP])) if _NEXT_HOP in given else ""
    found.announced = [(prefix, next_hop) for prefix in _prefixes(nlri, IPV4)]
    if _REACH in given:
        found.announced += _reach(given[_REACH])
    if _UNREACH in given:
        family, prefixes = _unreach(given[_UNREACH])
        found.withdrawn += prefixes
        if family and not (found.withdrawn or found.announced):
            found.end_of_rib = family
    return found


def _pairs(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        kind, size = data[0], data[1]
        if len(data) < 2 + size:
            raise MalformedError("a parameter is truncated")  # noqa: EM101, TRY003
        found.append((kind, data[2 : 2 + size]))
        data = data[2 + size :]
    return found


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while data:
        flags, kind = data[0], data[1]
        start = 4 if flags & _EXTENDED_LENGTH else 3
        size = int.from_bytes(data[2:start])
        if len(data) < start + size:
            raise MalformedError("an attribute is truncated")  # noqa: EM101, TRY003
        found.append((kind, data[start : start + size]))
        data = data[start + size :]
    return found


def _prefixes(data: bytes, family: int) -> list[str]:
    found = []
    bits = _BITS[family]
    while data:
        length = data[0]
        size = (length + 7) // 8
        if length > bits or len(data) < 1 + size:
            raise MalformedError("a prefix is truncated or too long")  # noqa: EM101, TRY003
        packed = data[1 : 1 + size].ljust(bits // 8, b"\0")
        network = ipaddress.ip_network((packed, length), strict=False)
        found.append(str(network))
        data = data[1 + size :]
    return found


def _reach(value: bytes) -> list[tuple[str, str]]:
    family, safi, size = struct.unpack("!HBB", value[:4])
    if safi != _UNICAST or family not in _BITS:
        return []
    # A link-local next hop may follow the global next hop (RFC 2545): take the first.
    hop = value[4 : 4 + size]
    next_hop = str(ipaddress.ip_address(hop[: 4 if size == 4 else 16]))  # noqa: PLR2004 - IPv4
    return [(prefix, next_hop) for prefix in _prefixes(value[5 + size :], family)]


def _unreach(value: bytes) -> tuple[str, list[str]]:
    family, safi = struct.unpack("!HB", value[:3])
    if safi != _UNICAST or family not in _BITS:
        return "", []
    return "ipv6" if family == IPV6 else "ipv4", _prefixes(value[3:], family)


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(struct.unpack("!I", value)[0])


def _communities(value: bytes) -> list[str]:
    return [f"{high}:{low}" for high, low in struct.iter_unpack("!HH", value)]


def _as_path(value: bytes, width: int) -> list[int]:
    found: list[int] = []
    while value:
        count = value[1]
        end = 2 + count * width
        if len(value) < end:
            raise MalformedError("the AS path is truncated")  # noqa: EM101, TRY003
        found += [int.from_bytes(value[at : at + width]) for at in range(2, end, width)]
        value = value[end:]
    return found
