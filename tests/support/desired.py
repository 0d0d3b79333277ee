"""Plans and routes for tests, made without a config: each value that a test does not name is usual.

`announcement("10.10.10.10/32")` is what a healthy service on 172.17.2.1 asks for.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

from anycast_routed.model import (
    GRACEFUL_SHUTDOWN,
    Announcement,
    Attributes,
    Peer,
    Plan,
    Route,
    Sessions,
)

if TYPE_CHECKING:
    from anycast_routed.model import Community

AS = 64512
ROUTER, PEER = "172.17.2.1", "172.17.2.254"
NEXT_HOP = {4: ROUTER, 6: "fd00:17:2::1"}


def attributes(
    local_pref: int | None = 200, next_hop: str = ROUTER, *communities: Community
) -> Attributes:
    """Return attributes; the empty text is no next hop."""
    return Attributes(local_pref, ip_address(next_hop) if next_hop else None, communities)


def announcement(  # noqa: PLR0913 - one argument for each fact that a test may name
    prefix: str,
    local_pref: int = 200,
    *,
    next_hop: str = "",
    service: str = "dns",
    source: str = "lo:dns1",
    on_host: bool = True,
    note: str = "",
) -> Announcement:
    """Return a desired announcement; the next hop is that of the prefix's family."""
    net = ip_network(prefix)
    wanted = attributes(local_pref, next_hop or NEXT_HOP[net.version])
    return Announcement(net, service, source, wanted, on_host, note, blackhole=True)


def lowered(one: Announcement, local_pref: int, note: str) -> Announcement:
    """Return the announcement with a lower LocalPref."""
    wanted = replace(one.attributes, local_pref=local_pref)
    return replace(one, attributes=wanted, note=note)


def draining(one: Announcement, note: str = "draining: new disk") -> Announcement:
    """Return the announcement while it is drained: LocalPref 0 and GRACEFUL_SHUTDOWN."""
    low = lowered(one, 0, note)
    return replace(low, attributes=replace(low.attributes, communities=(GRACEFUL_SHUTDOWN,)))


def route(prefix: str, wanted: Attributes) -> Route:
    """Return a route as a router shows it."""
    return Route(ip_network(prefix), wanted)


def sessions(*peers: str, local_as: int = AS, peer_as: int = AS) -> Sessions:
    """Return sessions of our own; one with the usual peer if none is named."""
    listed = tuple(
        Peer(number, ip_address(peer), peer_as, f"up {number}")
        for number, peer in enumerate(peers or (PEER,), start=1)
    )
    return Sessions(local_as, IPv4Address(ROUTER), listed)


OUR_SESSIONS = sessions()


def plan(
    *announcements: Announcement,
    services: tuple[str, ...] = ("dns",),
    ours: Sessions | None = OUR_SESSIONS,
) -> Plan:
    """Return a plan; `ours=None` leaves the sessions to the operator."""
    return Plan(services, ours, announcements, ())
