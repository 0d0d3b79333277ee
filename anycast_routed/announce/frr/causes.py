"""Find out why FRR does not export one of our routes to one neighbor. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr.answers import address_question, best_path, path_question, paths
from anycast_routed.announce.frr.config_lines import TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.model import Prefix

_V4 = 4
_FILTERS = {
    "routeMapForOutgoingAdvertisements": "route-map",
    "outgoingUpdatePrefixFilterList": "prefix-list",
    "outgoingUpdateAsPathFilterList": "filter-list",
    "outgoingUpdateNetworkFilterList": "distribute-list",
}


def questions(name: str, prefix: Prefix) -> tuple[str, str]:
    """Return the commands whose answers `cause` takes."""
    return address_question(name), path_question(prefix)


def unrouted(prefix: Prefix, table: Mapping[str, Any]) -> tuple[str, str]:
    """Return why bgpd does not announce a network that it has, and what to do; or empty texts."""
    if not any(path.get("tag") == TAG and not path.get("valid") for path in paths(table)):
        return "", ""
    family = "ip" if prefix.version == _V4 else "ipv6"
    why = "FRR uses no route for exactly this prefix, apart from BGP"
    fix = "the address needs an interface that is up, or the prefix a route"
    return why, f"{fix}; see: vtysh -c 'show {family} route {prefix}'"


def cause(
    name: str, prefix: Prefix, neighbors: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[str, str]:
    """Return why a neighbor is not sent a prefix that bgpd holds, and what to do; or empty texts.

    Without a policy, eBGP sends nothing (RFC 8212).
    """
    family = f"ipv{prefix.version}Unicast"
    facts = neighbors.get(name) or {}
    carried = (facts.get("addressFamilyInfo") or {}).get(family)
    if carried is None:
        fix = f"address-family ipv{prefix.version} unicast: neighbor {name} activate"
        return f"the neighbor is not activated for IPv{prefix.version}", fix
    capabilities = facts.get("neighborCapabilities") or {}
    negotiated = (capabilities.get("multiprotocolExtensions") or {}).get(family) or {}
    if not negotiated.get("advertisedAndReceived"):
        return f"the peer does not take IPv{prefix.version} in this session", ""
    if carried.get("outboundEbgpRequiresPolicy"):
        fix = f"give the neighbor a policy: neighbor {name} route-map NAME out"
        return "FRR sends nothing to an eBGP neighbor without a policy (RFC 8212)", fix
    best = best_path(table)
    if best is not None and best.get("tag") != TAG:
        sender = (best.get("peer") or {}).get("routerId", "")
        source = "that this host makes" if best.get("sourced") else f"from {sender}"
        return f"bgpd prefers another path, {source}", ""
    filters = [f"{kind} {carried[key]}" for key, kind in _FILTERS.items() if carried.get(key)]
    if filters:
        fix = f"let it permit {prefix}"
        return f"the outbound {' or '.join(filters)} of the neighbor refuses it", fix
    return "", ""
