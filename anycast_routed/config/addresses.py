"""Parse the addresses of the config file: servers, next hops, peers, and host routes."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated

from anycast_routed.config.values import (
    MAX_U32,
    Value,
    quoted,
    refuse,
    text,
    whole,
)
from anycast_routed.model import Address, Prefix

_AS_RESERVED = {
    0: "RFC 7607 reserves it",
    23456: "AS_TRANS stands for any AS number over 65535 (RFC 6793)",
    65535: "RFC 7300 reserves it",
    MAX_U32: "RFC 7300 reserves it",
}
_RESERVED = (IPv4Network("0.0.0.0/8"), IPv4Network("240.0.0.0/4"), IPv6Network("::/96"))
"""No host has such an address: BIRD silently drops routes to the first and to most of the last, and
FRR rejects the second."""
_LONGEST_TEXT = 45
"""INET6_ADDRSTRLEN without the NUL, in octets."""
_LONGEST_PREFIX = _LONGEST_TEXT + len("/128")


def kind(address: Address) -> str:
    """Return why an address is no ordinary unicast address, such as `loopback`; else empty."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return "IPv4-mapped"
    for name in ("unspecified", "loopback", "multicast"):
        if getattr(address, f"is_{name}"):
            return name
    if any(address.version == net.version and address in net for net in _RESERVED):
        return "reserved"
    return f"IPv{address.version} link-local" if address.is_link_local else ""


def address(*allowed: str, version: int | None = None) -> Callable[[object], Address]:
    """Return a parser of unicast addresses; `allowed` names other kinds that it accepts too."""

    def parse(value: object) -> Address:
        result = value if isinstance(value, IPv4Address | IPv6Address) else _address(text(value))
        if version is not None and result.version != version:
            refuse(f"must be an IPv{version} address, not {result}")
        return _usable(result, allowed)

    return parse


def host_prefix(value: object) -> Prefix:
    """Parse one address in prefix form, with the longest length of its family (/32 or /128)."""
    if isinstance(value, IPv4Network | IPv6Network):
        written, length = str(value.network_address), str(value.prefixlen)
    else:
        written, slash, length = text(value).partition("/")
        if not slash:
            host = _usable(_address(written), ())
            refuse(f"must have a length, not {host}", f"write {host}/{host.max_prefixlen}")
    host = _usable(_address(written), ())
    longest = str(host.max_prefixlen)
    if length != longest:
        given = quoted(f"{written}/{length}")
        refuse(f"must be a /{longest}, not {given}", f"write {host}/{longest}")
    return IPv4Network(host) if isinstance(host, IPv4Address) else IPv6Network(host)


def router_id(value: object) -> IPv4Address:
    """Parse a BGP identifier (RFC 6286): four octets, not zero; no multicast address."""
    result = address("loopback", "IPv4 link-local", version=4)(value)
    return IPv4Address(str(result))


def as_number(value: object) -> int:
    """Parse an AS number that a BGP speaker may use as its own (RFC 6793, plain notation)."""
    if isinstance(value, str) and (dotted := re.fullmatch(r"([0-9]{1,5})\.([0-9]{1,5})", value)):
        plain = int(dotted[1]) * 65536 + int(dotted[2])
        refuse(f"must be a plain number, not {quoted(value)}", f"write {plain}")
    number = whole(0, MAX_U32)(value)
    if number in _AS_RESERVED:
        refuse(
            f"must not be {number}: {_AS_RESERVED[number]}",
            "use 64512 to 65534 for a private AS",
        )
    return number


def _address(written: str) -> Address:
    if "%" in written:
        refuse(
            f"must be an address without a zone, not {quoted(written)}",
            "write a global or unique local address",
        )
    try:
        return ip_address(written[: _LONGEST_TEXT + 1])
    except ValueError:
        wrong = quoted(written)
    if "/" in written:
        refuse(f"must be an address without a length, not {wrong}")
    return refuse(f"must be an IPv4 or IPv6 address, not {wrong}", "host names are not allowed")


def _usable(result: Address, allowed: tuple[str, ...]) -> Address:
    name = kind(result)
    if name and name not in allowed:
        hint = "write the address of one host"
        if isinstance(result, IPv6Address) and result.ipv4_mapped:
            hint = f"write {result.ipv4_mapped}"
        elif name == "IPv6 link-local":
            hint = "write a global or unique local address"
        refuse(f"must not be {result}, an address that is {name}", hint)
    return result


_V4 = {"type": "string", "format": "ipv4"}
_V6 = {"type": "string", "format": "ipv6"}
_ANY = {"anyOf": [_V4, _V6]}
_AS = {"type": "integer", "minimum": 1, "maximum": MAX_U32 - 1, "not": {"enum": [23456, 65535]}}

ServerAddress = Annotated[
    IPv4Address | IPv6Address, Value("address", address("loopback", "IPv4 link-local"), _ANY)
]
PeerAddress = Annotated[
    IPv4Address | IPv6Address, Value("address", address("IPv4 link-local"), _ANY)
]
NextHop4 = Annotated[IPv4Address, Value("IPv4 address", address("IPv4 link-local", version=4), _V4)]
NextHop6 = Annotated[IPv6Address, Value("IPv6 address", address(version=6), _V6)]
HostPrefix = Annotated[
    IPv4Network | IPv6Network,
    Value(
        "prefix",
        host_prefix,
        {"type": "string", "pattern": "^[0-9A-Fa-f.:]+/(?:32|128)$", "maxLength": _LONGEST_PREFIX},
    ),
]
RouterId = Annotated[IPv4Address, Value("IPv4 address", router_id, _V4)]
AsNumber = Annotated[int, Value("AS number", as_number, _AS)]
