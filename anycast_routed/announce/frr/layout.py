"""A plan as frr.conf.j2 needs it, and the text that comes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.config_lines import (
    MAP_IN,
    MAP_OUT,
    MAP_OWNER,
    OURS,
    STATIC_DISTANCE,
    STATIC_TAG,
    TAG,
)
from anycast_routed.announce.frr.running_config import rendered

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.model import Announcement, Plan, Prefix

_V4 = 4


@dataclass(frozen=True, slots=True)
class Map:
    """An immutable route-map: its name has all that it sets, so another value is another map."""

    name: str
    next_hop_clause: str
    local_pref: int | None
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
    """A route for a prefix whose address is not on this host, so that bgpd accepts the network."""

    command: str
    prefix: Prefix


def variables(
    plan: Plan, local_as: int | None, *, owner: str, import_check: bool = True
) -> Mapping[str, object]:
    """Return the variables of frr.conf.j2; `owner` is the mark of the run directory.

    `local_as` is the AS of the BGP instance in the default VRF; None if the plan needs none.
    `import_check`: bgpd announces a network only with a route for it, so that some need a static.
    """
    off_host = [one for one in plan.announcements if not one.on_host]
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
            for one in off_host
            if one.blackhole and import_check
        ),
        # It stays on for addresses on this host: bgpd then withdraws one that disappears.
        "import_check": import_check or not off_host,
        "map_in": MAP_IN,
        "map_out": MAP_OUT,
        "map_owner": MAP_OWNER,
        "owner": owner,
        "tag": TAG,
        "static_tag": STATIC_TAG,
        "static_distance": STATIC_DISTANCE,
    }


class FrrLayout:
    """The text of our lines in FRR's config. FRR never reads our file: it gets the lines."""

    reads_file = False

    def held(self, text: str) -> frozenset[Prefix]:
        """Return the prefixes of the networks."""
        return frozenset(rendered(text).networks)

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Remove the networks and statics of these prefixes, or all."""
        return config_lines.without(text, prefixes)

    def owner(self, text: str) -> str:
        """Return the description of the route-map that names the owner."""
        return rendered(text).owner

    def structure(self, text: str) -> str:
        """Return the text: FRR gets each difference as commands."""
        return text

    def without_reload(self, current: str, wanted: str) -> str:  # noqa: ARG002 - see `structure`
        """Return `current`: FRR reloads nothing, and gets the whole difference in one go."""
        return current


def _map(one: Announcement) -> Map:
    clause = "ip next-hop" if one.prefix.version == _V4 else "ipv6 next-hop global"
    name = f"{OURS}{one.local_pref}-{one.next_hop}"
    name += "-GSHUT" if one.graceful_shutdown else ""
    return Map(name, f"{clause} {one.next_hop}", one.local_pref, one.graceful_shutdown)
