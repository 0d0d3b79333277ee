"""Plan which prefixes are announced with which attributes, and which are withheld and why.

The first reason in this order wins, and `explain` shows them in the same order: the operator's
drain, the service's verdict, its flapping, the candidate itself (label, address, LocalPref),
another candidate with the same prefix, the next hop. A prefix that one of them only lowers must
pass all the others as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.candidates import (
    Addresses,
    Candidate,
    No,
    candidates,
)
from anycast_routed.decide.labels import label_start
from anycast_routed.decide.next_hop import next_hop, unfit
from anycast_routed.decide.plan_warnings import warnings
from anycast_routed.decide.service_state import Lowered, drained, lowered, standing
from anycast_routed.model import (
    GRACEFUL_SHUTDOWN,
    Announcement,
    Attributes,
    Peer,
    Plan,
    Reason,
    Sessions,
    Withheld,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from anycast_routed.config import Anycast, Config
    from anycast_routed.decide.next_hop import Family
    from anycast_routed.model import Address, Observed, Prefix

_NAMED = 3
"""How many unfit addresses a sentence names."""


def plan(config: Config, observed: Observed) -> Plan:
    """Return the plan for every candidate of every service. Never raises.

    Each candidate is in the plan once, announced or withheld. A prefix belongs to the first
    candidate (services as configured, labels before routes) without a fault of its own. That does
    not depend on health or next hops, so a service that goes down never moves a prefix of another.
    """
    found = candidates(config, observed)
    owners = _owners(found)
    hops = next_hops(config, observed, found)
    standings = {service.name: standing(service, observed) for service in config.services}
    addresses = Addresses(observed)
    announcements: list[Announcement] = []
    standby: list[Announcement] = []
    withheld = list(_interfaces_missing(config, observed))
    for candidate in found:
        service, prefix = candidate.service, candidate.prefix
        links = (drained(service, prefix, observed), standings[service])
        hop = candidate.fault or _taken(candidate, owners) or hops[service, prefix.version]
        settled = _settled(candidate, links, hop, addresses)
        if isinstance(settled, Announcement):
            announcements.append(settled)
            continue
        withheld.append(settled)
        if not isinstance(hop, No):
            standby.append(_announced(candidate, hop, (), addresses))
    return Plan(
        services=tuple(service.name for service in config.services),
        sessions=_sessions(config),
        announcements=tuple(sorted(announcements, key=place)),
        withheld=tuple(sorted(withheld, key=place)),
        warnings=tuple(warnings(config, observed, found)),
        standby=tuple(sorted(standby, key=place)),
    )


def revive_nothing(
    decision: Plan, unproved: Collection[str], originated: Collection[Prefix]
) -> Plan:
    """Withhold the prefixes that the router does not hold, of services without a verdict yet.

    What is announced stays until there is a verdict. But after an interrupted withdrawal, or at an
    empty router, nothing is announced again without a fresh check.
    """
    kept: list[Announcement] = []
    new: list[Announcement] = []
    for one in decision.announcements:
        found = new if one.service in unproved and one.prefix not in originated else kept
        found.append(one)
    if not new:
        return decision
    detail = "the router did not have it when we began, and it has not been checked since"
    reason = Reason.SERVICE_UNDECIDED
    withheld = (Withheld(one.prefix, one.service, one.source, reason, detail) for one in new)
    return replace(
        decision,
        announcements=tuple(kept),
        withheld=tuple(sorted((*decision.withheld, *withheld), key=place)),
        standby=tuple(sorted((*decision.standby, *new), key=place)),
    )


def next_hops(
    config: Config, observed: Observed, found: Sequence[Candidate]
) -> dict[tuple[str, int], Address | No]:
    """Return the next hop of each service and family, or why there is none.

    No service address can be a next hop, withheld or not: this must not depend on health.
    """
    excluded = frozenset(candidate.prefix.network_address for candidate in found)
    peers = () if config.bgp is None else tuple(peer.ip for peer in config.bgp.peers)
    families: tuple[Family, ...] = (4, 6)
    return {
        (service.name, family): _hop(service.anycast, family, observed, excluded, peers)
        for service in config.services
        for family in families
    }


def _settled(
    candidate: Candidate,
    links: tuple[No | Lowered | None, ...],
    hop: Address | No,
    addresses: Addresses,
) -> Announcement | Withheld:
    """Return what becomes of a candidate: the first refusal wins, and each `Lowered` lowers it."""
    end = next((link for link in links if isinstance(link, No)), hop)
    if isinstance(end, No):
        prefix, service, source = candidate.prefix, candidate.service, candidate.source
        return Withheld(prefix, service, source, end.reason, end.detail)
    return _announced(candidate, end, links, addresses)


def _announced(
    candidate: Candidate,
    hop: Address,
    links: tuple[No | Lowered | None, ...],
    addresses: Addresses,
) -> Announcement:
    """Return the announcement of a candidate, lowered by each link that lowers it."""
    low = lowered(candidate.local_pref, links)
    communities = (GRACEFUL_SHUTDOWN,) if low.graceful_shutdown else ()
    attributes = Attributes(low.local_pref, hop, communities)
    address = candidate.prefix.network_address
    return Announcement(
        prefix=candidate.prefix,
        service=candidate.service,
        source=candidate.source,
        attributes=attributes,
        on_host=address in addresses.routed,
        note=low.note,
        blackhole=candidate.blackhole or address in addresses.local,
    )


def _owners(found: Sequence[Candidate]) -> dict[Prefix, Candidate]:
    """Return the first candidate of each prefix that has no fault of its own."""
    owners: dict[Prefix, Candidate] = {}
    for candidate in found:
        if candidate.fault is None:
            owners.setdefault(candidate.prefix, candidate)
    return owners


def _taken(candidate: Candidate, owners: Mapping[Prefix, Candidate]) -> No | None:
    """Return the refusal of a candidate whose prefix belongs to another; None if it is its own.

    The candidate has no fault of its own.
    """
    owner = owners[candidate.prefix]
    if owner is candidate:
        return None
    first = f"{owner.source} of service {owner.service}"
    return No(Reason.DUPLICATE, f"{candidate.prefix} belongs to {first}, which comes first")


def _hop(
    anycast: Anycast,
    family: Family,
    observed: Observed,
    excluded: Collection[Address],
    peers: Collection[Address],
) -> Address | No:
    explicit = {4: anycast.next_hop_ipv4, 6: anycast.next_hop_ipv6}[family]
    if explicit is not None:
        return explicit
    interface = anycast.nexthop_interface
    if interface is None:
        detail = f"neither nexthop-interface nor next-hop-ipv{family} is configured"
        return No(Reason.NO_NEXT_HOP, detail)
    if interface not in observed.interfaces:
        detail = f"the nexthop-interface {interface} does not exist on this host"
        return No(Reason.INTERFACE_MISSING, detail)
    if interface in observed.down:
        return No(Reason.NO_NEXT_HOP, f"{interface} is down, so there is no next hop")
    hop = next_hop(observed.addresses, interface, family, excluded=excluded, peers=peers)
    return hop or No(Reason.NO_NEXT_HOP, _no_hop(interface, family, observed, excluded))


def _no_hop(
    interface: str, family: Family, observed: Observed, excluded: Collection[Address]
) -> str:
    refused = sorted(
        (host.address.ip, unfit(host, excluded))
        for host in observed.addresses
        if host.interface == interface and host.address.version == family
    )
    if not refused:
        return f"{interface} has no IPv{family} address, so there is no next hop"
    named = [f"{address} is {why}" for address, why in refused[:_NAMED]]
    more = [f"and {len(refused) - _NAMED} more"] if len(refused) > _NAMED else []
    words = ", ".join([*named, *more])
    return f"{interface} has no IPv{family} address that can be a next hop: {words}"


def _interfaces_missing(config: Config, observed: Observed) -> Iterator[Withheld]:
    for service in config.services:
        interface, start = service.anycast.interface, label_start(service.anycast)
        if start is not None and interface not in observed.interfaces:
            detail = f"the interface {interface} does not exist on this host, nor do its labels"
            yield Withheld(None, service.name, start, Reason.INTERFACE_MISSING, detail)


def _sessions(config: Config) -> Sessions | None:
    if config.bgp is None:
        return None
    peers = (
        Peer(number, peer.ip, peer.as_, peer.description, peer.password_file)
        for number, peer in enumerate(config.bgp.peers, start=1)
    )
    return Sessions(config.bgp.as_, config.bgp.id, tuple(peers))


def place(entry: Announcement | Withheld) -> tuple[int, int]:
    """Return the sort key: entries without a prefix, then IPv4, then IPv6, by address."""
    if entry.prefix is None:
        return 0, 0
    return entry.prefix.version, int(entry.prefix.network_address)
