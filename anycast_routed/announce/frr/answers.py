"""FRR's JSON answers as a Readback. Pure."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr.config_lines import MAP_OUT
from anycast_routed.model import Route, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Address, Prefix

_MOST = 1 << 16  # texts that are remembered: the same ones come for each table and session
FAMILIES = ("ipv4", "ipv6")
ROUTES = tuple(f"show bgp {family} unicast route-map {MAP_OUT} json" for family in FAMILIES)
"""What carries our tag: our networks, however large the rest of the table is."""


def peers(summary: Mapping[str, Any]) -> dict[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Return what `show bgp summary json` says of each neighbor, and its address families."""
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


def question_of(name: str) -> str:
    """Return the command that tells the address of a neighbor known by its interface."""
    return f"show bgp neighbors {name} json"


def exports_of(name: str, families: Iterable[str]) -> list[str]:
    """Return the commands that list what a neighbor gets."""
    return [
        f"show bgp {family} unicast neighbors {name} advertised-routes json" for family in families
    ]


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
        facts, _ = listed.get(name, ({"state": "Idle (no address family)"}, ()))
        state = str(facts.get("state", "unknown"))
        found.append(
            Session(
                name=name,
                address=address,
                remote_as=int(facts.get("remoteAs", 0)),
                ours=name in running.our_neighbors,
                state=state,
                established=state == "Established",
            )
        )
    return tuple(sorted(found, key=lambda one: (one.address.version, int(one.address))))


@lru_cache(_MOST)
def _network(text: str) -> Prefix:
    return ip_network(text)


@lru_cache(_MOST)
def address_of(name: object) -> Address | None:
    """Return a neighbor's address; None where it is known by an interface or is a group."""
    try:
        return ip_address(str(name))
    except ValueError:
        return None


def originated(tables: Iterable[Mapping[str, Any] | None], running: Running) -> list[Route]:
    """Return our networks that are valid in BGP's table, with the attributes they have there.

    A network without a route in the kernel is not valid, and not exported either.
    """
    return [
        Route(prefix, path.get("locPrf"), _hop(path))
        for table in tables
        for text, paths in ((table or {}).get("routes") or {}).items()
        if (prefix := _network(text)) in running.networks
        for path in paths[:1]
        if path.get("valid")
    ]


def exported(
    answers: Iterable[Mapping[str, Any] | None], only: Iterable[Prefix] | None
) -> tuple[Route, ...]:
    """Return what one neighbor gets: everything, or `only` these prefixes of it."""
    wanted = None if only is None else frozenset(only)
    return tuple(
        Route(prefix, route.get("locPrf"), address_of(hop_text(route)))
        for answer in answers
        for text, route in ((answer or {}).get("advertisedRoutes") or {}).items()
        for prefix in (_network(text),)
        if wanted is None or prefix in wanted
    )


def hop_text(route: Mapping[str, Any]) -> object:
    """Return the next hop of an advertised route; a family has its own name for it."""
    return route.get("nextHopGlobal", route.get("nextHop"))


def _hop(path: Mapping[str, Any]) -> Address | None:
    hops = [hop for hop in path.get("nexthops", ()) if hop.get("scope", "global") == "global"]
    return address_of(hops[0].get("ip")) if hops else None
