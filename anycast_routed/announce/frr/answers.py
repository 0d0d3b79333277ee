"""FRR's JSON answers as parts of a Readback. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr.config_lines import MAP_OUT
from anycast_routed.model import GRACEFUL_SHUTDOWN, Attributes, Route, Session

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from anycast_routed.announce.frr.releases import Release
    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Address, Community, Prefix

_MOST = 1 << 16  # parsed texts that are kept: the same ones come for each table and session
FAMILIES = ("ipv4", "ipv6")
_NAMED = {"gracefulShutdown": GRACEFUL_SHUTDOWN}


def peers(summary: Mapping[str, Any]) -> dict[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Return what `show bgp summary json` reports of each neighbor, and its address families."""
    found: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {}
    for family in FAMILIES:
        for name, facts in summary.get(f"{family}Unicast", {}).get("peers", {}).items():
            _, families = found.get(name, (facts, ()))
            found[name] = (facts, (*families, family))
    return found


def established(summary: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the address families of each neighbor whose session is up."""
    return {
        name: families
        for name, (facts, families) in peers(summary).items()
        if facts.get("state") == "Established"
    }


def address_question(name: str) -> str:
    """Return the command that shows the address of a neighbor known by its interface."""
    return f"show bgp neighbors {name} json"


def table_questions(
    running: Running, release: Release, without: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the commands that list our routes, `without` these address families.

    Our routes carry our tag, which our outbound route-map matches. Communities make the answer
    longer. So they are asked for only if one of our route-maps sets communities; otherwise none of
    our routes has one.
    """
    form = release.table_with_communities if running.sets_communities else release.table
    if not running.networks:
        return ()
    listed = (family for family in FAMILIES if family not in without)
    return tuple(form.format(family=family, route_map=MAP_OUT) for family in listed)


def export_question(name: str, family: str, release: Release) -> str:
    """Return the command that lists what a neighbor gets in one family."""
    return release.exports.format(family=family, neighbor=name)


def sessions(
    running: Running, summary: Mapping[str, Any], addresses: Mapping[str, Address]
) -> tuple[Session, ...]:
    """Return every session that has an address; an unnumbered one has it once it is up."""
    listed = peers(summary)
    found = []
    for name in dict.fromkeys((*listed, *running.neighbors)):
        address = address_of(name) or addresses.get(name)
        if address is None:
            continue
        facts, families = listed.get(name, ({"state": "Idle (no address family)"}, ()))
        state = str(facts.get("state", "unknown"))
        found.append(
            Session(
                name=name,
                address=address,
                remote_as=int(facts.get("remoteAs", 0)),
                ours=name in running.our_neighbors,
                state=state,
                established=state == "Established",
                families=frozenset(int(family[-1]) for family in families),
            )
        )
    return tuple(sorted(found, key=lambda one: (one.address.version, int(one.address))))


@lru_cache(_MOST)
def _network(text: str) -> Prefix:
    return ip_network(text)


@lru_cache(_MOST)
def address_of(name: object, *, on: str = "") -> Address | None:
    """Return a neighbor's address; None if it is known by an interface or is a group.

    A link-local address gets the interface `on` which it is, if that is given.
    """
    try:
        address = ip_address(str(name))
    except ValueError:
        return None
    return ip_address(f"{address}%{on}") if on and address.is_link_local else address


def originated(tables: Iterable[Mapping[str, Any] | None], running: Running) -> list[Route]:
    """Return our networks that are valid in BGP's table, with the attributes they have there.

    A network without a route in the kernel is not valid, and not exported either.
    """
    return [
        Route(
            prefix,
            attributes(path, _communities(path)),
            covered=bool(path.get("suppressed")),
        )
        for table in tables
        for text, listed in ((table or {}).get("routes") or {}).items()
        if (prefix := _network(text)) in running.networks
        for path in paths(listed)[:1]
        if path.get("valid")
    ]


def best(tables: Iterable[Mapping[str, Any] | None]) -> frozenset[Prefix]:
    """Return the prefixes of which our path is the one that bgpd sends."""
    return frozenset(
        _network(text)
        for table in tables
        for text, listed in ((table or {}).get("routes") or {}).items()
        if any(path.get("bestpath") for path in paths(listed))
    )


def exported(
    answer: Mapping[str, Any] | None, only: Collection[Prefix] | None, *, sends_communities: bool
) -> list[Route]:
    """Return what one neighbor gets in one family: everything, or `only` these prefixes of it.

    The answer has no communities. They are those of BGP's table, which `originated` shows, so
    here they are None; but none where the neighbor is not sent any.
    """
    communities = None if sends_communities else ()
    return [
        Route(prefix, _attributes(route.get("locPrf"), _exported_hop(route), communities))
        for text, route in ((answer or {}).get("advertisedRoutes") or {}).items()
        for prefix in (_network(text),)
        if only is None or prefix in only
    ]


def attributes(path: Mapping[str, Any], communities: tuple[Community, ...] | None) -> Attributes:
    """Return the attributes that a path has in bgpd's table, with these communities."""
    return _attributes(path.get("locPrf"), _hop(path), communities)


@lru_cache(_MOST)
def _attributes(
    local_pref: int | None, next_hop: Address | None, communities: tuple[Community, ...] | None
) -> Attributes:
    """Return one value for all routes with the same attributes: equal ones compare faster so."""
    return Attributes(local_pref, next_hop, communities)


def _exported_hop(route: Mapping[str, Any]) -> Address | None:
    """Return the next hop of an exported route; each family has its own name for it."""
    return address_of(route.get("nextHopGlobal", route.get("nextHop")))


def paths(entry: list[Mapping[str, Any]] | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the paths to one prefix.

    The detail form has a header before them; from FRR 9 on it has them below `paths`.
    """
    listed = entry if isinstance(entry, list) else entry.get("paths", ())
    return [path for path in listed if "nexthops" in path]


def path_question(prefix: Prefix) -> str:
    """Return the command that shows every path to one prefix, and who is sent the best one."""
    return f"show bgp ipv{prefix.version} unicast {prefix} json"


def best_path(answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the path that bgpd sends, from the answer to `path_question`; None without one."""
    found = (one for one in paths(answer) if (one.get("bestpath") or {}).get("overall"))
    return next(found, None)


def _hop(path: Mapping[str, Any]) -> Address | None:
    hops = [hop for hop in path.get("nexthops", ()) if hop.get("scope", "global") == "global"]
    return address_of(hops[0].get("ip")) if hops else None


def _communities(path: Mapping[str, Any]) -> tuple[Community, ...]:
    listed = (path.get("community") or {}).get("list", ())
    return tuple(sorted({one for text in listed if (one := _community(str(text)))}))


def _community(text: str) -> Community | None:
    """Return a community as numbers; None for a well-known one that we never set."""
    if text in _NAMED:
        return _NAMED[text]
    high, _, low = text.partition(":")
    # An operator's alias for a community may have a colon too.
    return (int(high), int(low)) if high.isdecimal() and low.isdecimal() else None
