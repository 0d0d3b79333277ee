"""Choose the address of an interface that becomes the next hop of our announcements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from anycast_routed.config.addresses import kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from anycast_routed.model import Address, HostAddress

Family = Literal[4, 6]


def next_hop(
    addresses: Iterable[HostAddress],
    interface: str,
    family: Family,
    *,
    excluded: Collection[Address] = (),
    peers: Collection[Address] = (),
) -> Address | None:
    """Return the next hop among the addresses of one interface and family; None if none is fit.

    An address is fit if `unfit` finds no fault. Among several, in this order: one that is not
    deprecated; one whose subnet holds a BGP peer, since that peer can reach it; one with a real
    subnet, not a /32 or /128; the lowest. The order of the arguments does not matter.

    A deprecated address is fit: the host still answers for it, and only new connections should not
    have it as their source (RFC 4862 section 5.5.4).

    Args:
        addresses: all addresses of the host.
        interface: the name of the interface.
        family: 4 or 6.
        excluded: service addresses: other hosts have them too, so they cannot be a next hop.
        peers: the addresses of the BGP peers, if they are known.
    """
    fit = (
        host
        for host in addresses
        if host.interface == interface
        and host.address.version == family
        and not unfit(host, excluded)
    )
    best = min(fit, key=lambda host: _rank(host, peers), default=None)
    return None if best is None else best.address.ip


def unfit(host: HostAddress, excluded: Collection[Address] = ()) -> str:
    """Return in a few words why an address cannot be a next hop; empty if it can."""
    facts = (
        (host.address.ip in excluded, "a service address"),
        (bool(kind(host.address.ip)), kind(host.address.ip)),
        (host.scope != 0, "not of global scope"),
        (host.secondary, "secondary"),
        (host.tentative, "tentative"),
        (host.temporary, "temporary"),
    )
    return next((words for holds, words in facts if holds), "")


def _rank(host: HostAddress, peers: Collection[Address]) -> tuple[bool, bool, bool, int]:
    network = host.address.network
    near_no_peer = not any(peer in network for peer in peers)
    no_subnet = network.prefixlen == network.max_prefixlen
    return host.deprecated, near_no_peer, no_subnet, int(host.address.ip)
