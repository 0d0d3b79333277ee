"""List the candidates for announcement: labelled addresses and configured routes, in order.

A candidate carries its own faults. Whether its service is up, whether another candidate has the
same prefix and whether there is a next hop is decided in `plan`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from anycast_routed.config.addresses import kind
from anycast_routed.decide.labels import label_start, labelled, order
from anycast_routed.model import Code, Finding, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.config import Anycast, Config, Service
    from anycast_routed.model import Address, Observed, Prefix

_ORDINARY = re.compile(r"[A-Za-z0-9._:-]*")
"""What a label may hold after its interface. The kernel accepts any byte, a router does not."""


@dataclass(frozen=True, slots=True)
class No:
    """Why a prefix must not be announced, as a value and as a sentence with the facts."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One prefix that a service asks to announce."""

    service: str
    source: str
    """The kernel's label, with unusual characters escaped, or the label of a configured route."""
    prefix: Prefix
    local_pref: int
    """Below 0 if there are too many labels for the decrease; then `fault` says so."""
    fault: No | None
    """The fault of the candidate itself, or None."""
    warning: Finding | None = None
    blackhole: bool = False
    """The operator accepts a blackhole route in the kernel."""


class Addresses:
    """The addresses of this host, by their state."""

    def __init__(self, observed: Observed) -> None:
        usable = {host.address for host in observed.addresses if not host.tentative}
        self.routed: frozenset[Address] = frozenset(
            one.ip for one in usable if one.network.prefixlen == one.max_prefixlen
        )
        """Through duplicate address detection, and with a host mask: the kernel has a route for
        exactly this address."""
        self.local: frozenset[Address] = frozenset(one.ip for one in usable)
        """Through duplicate address detection: the kernel delivers them here, whatever else its
        routes say."""
        every = {host.address.ip for host in observed.addresses}
        self.tentative: frozenset[Address] = frozenset(every - {one.ip for one in usable})
        """Assigned, but not usable."""


def candidates(config: Config, observed: Observed) -> tuple[Candidate, ...]:
    """Return every candidate: services as configured, in each the labels first, then the routes."""
    addresses = Addresses(observed)
    found: list[Candidate] = []
    for service in config.services:
        found += _labelled(service, observed, addresses)
        found += _configured(service, addresses)
    return tuple(found)


def _labelled(service: Service, observed: Observed, addresses: Addresses) -> Iterator[Candidate]:
    """Yield the labelled addresses. A bad label keeps its place, so it shifts no other."""
    anycast = service.anycast
    start = label_start(anycast)
    if start is None or anycast.interface not in observed.interfaces:
        return
    found = labelled(anycast, start, observed)
    for place, (label, address) in enumerate(sorted(found, key=order)):
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


def _configured(service: Service, addresses: Addresses) -> Iterator[Candidate]:
    for route in service.anycast.routes:
        local_pref = service.anycast.localpref if route.localpref is None else route.localpref
        address = route.ip.network_address
        fault = _address_fault(address, addresses)
        yield Candidate(
            service.name,
            route.label,
            _host(address),
            local_pref,
            fault,
            blackhole=route.blackhole,
        )


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
