"""A plan as frr.conf.j2 wants it: the template only lays out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.announce.frr.config_lines import (
    MAP_IN,
    MAP_OUT,
    OURS,
    STATIC_DISTANCE,
    STATIC_TAG,
    TAG,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.model import Announcement, Plan, Prefix

_V4 = 4


@dataclass(frozen=True, slots=True)
class Map:
    """An immutable route-map: what it sets is its name, so another value is another map."""

    name: str
    next_hop_clause: str
    local_pref: int
    graceful_shutdown: bool


@dataclass(frozen=True, slots=True)
class Network:
    """One prefix to announce, and the map that gives it its attributes."""

    prefix: Prefix
    map: str


@dataclass(frozen=True, slots=True)
class Family:
    """One address family of the instance, `ipv4` or `ipv6`."""

    name: str
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Static:
    """A route for a prefix whose address is not on this host, so that bgpd takes the network."""

    command: str
    prefix: Prefix


def variables(plan: Plan, local_as: int | None) -> Mapping[str, object]:
    """Lay the plan out for frr.conf.j2. Pure.

    `local_as` is the AS of the default VRF's instance; None where there is nothing to say.
    """
    maps: dict[str, Map] = {}
    networks: dict[int, list[Network]] = {4: [], 6: []}
    for one in plan.announcements:
        made = _map(one)
        maps[made.name] = made
        networks[one.prefix.version].append(Network(one.prefix, made.name))
    return {
        "local_as": local_as if plan.sessions or plan.announcements else None,
        "sessions": plan.sessions,
        "peers": plan.sessions.peers if plan.sessions else (),
        "families": tuple(
            Family(f"ipv{version}", tuple(listed))
            for version, listed in networks.items()
            if listed or plan.sessions
        ),
        "maps": tuple(maps.values()),
        "statics": tuple(
            Static("ip" if one.prefix.version == _V4 else "ipv6", one.prefix)
            for one in plan.announcements
            if not one.on_host
        ),
        "map_in": MAP_IN,
        "map_out": MAP_OUT,
        "tag": TAG,
        "static_tag": STATIC_TAG,
        "static_distance": STATIC_DISTANCE,
    }


def _map(one: Announcement) -> Map:
    clause = "ip next-hop" if one.next_hop.version == _V4 else "ipv6 next-hop global"
    name = f"{OURS}{one.local_pref}-{one.next_hop}"
    name += "-GSHUT" if one.graceful_shutdown else ""
    return Map(name, f"{clause} {one.next_hop}", one.local_pref, one.graceful_shutdown)
