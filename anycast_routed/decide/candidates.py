"""What asks to be announced: labelled addresses and configured routes, each in its place.

A candidate carries what is wrong with itself. Whether its service is up, whether another candidate
has the same prefix and whether there is a next hop is for `plan` to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from anycast_routed.config.addresses import kind
from anycast_routed.finding import Code, Finding
from anycast_routed.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.config import Anycast, Config, Service
    from anycast_routed.model import Address, Observed, Prefix

_ORDINARY = re.compile(r"[A-Za-z0-9._:-]*")
"""What may stand in a label after its interface. The kernel takes any byte, a router does not."""


@dataclass(frozen=True, slots=True)
class No:
    """Why something is not to be announced, as a value and as a sentence with the facts."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One prefix that a service would have announced."""

    service: str
    source: str
    """The kernel's label, with anything unusual escaped, or the configured route's."""
    prefix: Prefix
    local_pref: int
    """Below 0 when there are too many labels for the decrease; `fault` says so then."""
    fault: No | None
    """What is wrong with the candidate itself; None if nothing is."""
    warning: Finding | None = None


class Addresses:
    """The addresses of this host, by what one wants to know of them."""

    def __init__(self, observed: Observed) -> None:
        usable = {host.address.ip for host in observed.addresses if not host.tentative}
        self.usable: frozenset[Address] = frozenset(usable)
        """Assigned on any interface, and through duplicate address detection."""
        every = {host.address.ip for host in observed.addresses}
        self.tentative: frozenset[Address] = frozenset(every - usable)
        """Assigned, but not to be used."""


def candidates(config: Config, observed: Observed) -> tuple[Candidate, ...]:
    """Give every candidate: services as configured, in each the labels first, then the routes."""
    addresses = Addresses(observed)
    found: list[Candidate] = []
    for service in config.services:
        found += _labelled(service, observed, addresses)
        found += _configured(service, addresses)
    return tuple(found)


def natural(label: str) -> tuple[tuple[int, str], ...]:
    """Give the sort key in which dns2 stands before dns10. It is total: only equals are equal."""
    parts = re.split("([0-9]+)", label)
    parts[1::2] = (digits.lstrip("0") for digits in parts[1::2])
    # Runs of digits compare by length and then as text: the same order, whatever their length.
    return (*((len(part) * (at % 2), part) for at, part in enumerate(parts)), (-1, label))


def label_start(anycast: Anycast) -> str | None:
    """Give what a label of this section starts with, `lo:dns`; None if it wants no labels."""
    if anycast.interface is None or anycast.prefix is None:
        return None
    return f"{anycast.interface}:{anycast.prefix}"


def labelled(anycast: Anycast, start: str, observed: Observed) -> set[tuple[str, IPv4Interface]]:
    """Give the addresses whose label starts so, with their labels."""
    return {
        (host.label, host.address)
        for host in observed.addresses
        if host.interface == anycast.interface
        and host.label.startswith(start)
        and isinstance(host.address, IPv4Interface)
    }


def _labelled(service: Service, observed: Observed, addresses: Addresses) -> Iterator[Candidate]:
    """Give the labelled addresses. Each one keeps its place, so a bad label shifts no other."""
    anycast = service.anycast
    start = label_start(anycast)
    if start is None or anycast.interface not in observed.interfaces:
        return
    found = labelled(anycast, start, observed)
    for place, (label, address) in enumerate(sorted(found, key=_label_order)):
        local_pref = anycast.localpref - place * anycast.decrease
        shown = label.encode("unicode_escape").decode("ascii")
        fault = (
            _label_fault(label.removeprefix(f"{anycast.interface}:"), shown)
            or _address_fault(address.ip, addresses)
            or _local_pref_fault(anycast, place)
        )
        warning = None
        if fault is None and address.network.prefixlen != address.max_prefixlen:
            detail = f"{address} is not a /32; its host part {address.ip}/32 is announced"
            warning = Finding(Code.NOT_A_HOST_PREFIX, shown, detail)
        yield Candidate(service.name, shown, _host(address.ip), local_pref, fault, warning)


def _label_order(found: tuple[str, IPv4Interface]) -> tuple[tuple[tuple[int, str], ...], int, int]:
    label, address = found
    return natural(label), int(address.ip), -address.network.prefixlen


def _configured(service: Service, addresses: Addresses) -> Iterator[Candidate]:
    for route in service.anycast.routes:
        local_pref = service.anycast.localpref if route.localpref is None else route.localpref
        address = route.ip.network_address
        fault = _address_fault(address, addresses)
        yield Candidate(service.name, route.label, _host(address), local_pref, fault)


def _host(address: Address) -> Prefix:
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


def _label_fault(name: str, shown: str) -> No | None:
    if _ORDINARY.fullmatch(name):
        return None
    return No(Reason.BAD_LABEL, f"the label {shown} holds more than letters, digits and . _ : -")


def _address_fault(address: Address, addresses: Addresses) -> No | None:
    if what := kind(address):
        return No(Reason.NOT_USABLE, f"{address} cannot be announced: it is {what}")
    if address in addresses.tentative:
        why = "duplicate address detection is not through, or has failed"
        return No(Reason.NOT_USABLE, f"{address} is tentative on this host: {why}")
    return None


def _local_pref_fault(anycast: Anycast, place: int) -> No | None:
    fall = place * anycast.decrease
    if fall <= anycast.localpref:
        return None
    sum_ = f"{anycast.localpref} less {place} times {anycast.decrease}"
    return No(Reason.LOCAL_PREF_UNDERFLOW, f"its LocalPref would be below 0: {sum_}")
