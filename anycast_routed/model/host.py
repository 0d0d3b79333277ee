"""Addresses, and the interfaces and addresses of this host."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Address = IPv4Address | IPv6Address

Interface = IPv4Interface | IPv6Interface

Prefix = IPv4Network | IPv6Network


def by_address(address: Address) -> tuple[int, int]:
    """Return the one sort key for addresses: IPv4 first, then by number."""
    return address.version, int(address)


@dataclass(frozen=True, slots=True)
class HostAddress:
    """One address of this host, as the kernel has it (rtnetlink(7), IFA_*)."""

    interface: str
    address: Interface
    label: str = ""
    """IFA_LABEL; always empty for IPv6, which has no labels."""
    scope: int = 0
    """RT_SCOPE_*: 0 is global, 253 link, 254 host."""
    secondary: bool = False
    deprecated: bool = False
    """Its preferred lifetime is over: no source of new connections, but valid (RFC 4862)."""
    tentative: bool = False
    """IPv6 duplicate address detection is not through, or has failed."""
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """The interfaces and addresses of this host, at one moment."""

    interfaces: frozenset[str]
    addresses: tuple[HostAddress, ...]
    down: frozenset[str] = frozenset()
    """Interfaces that carry nothing: administratively down, or without a carrier (RFC 2863)."""
    vrfs: Mapping[str, str] = field(default_factory=dict)
    """The VRF of each interface that is in one, or is the device of one."""
