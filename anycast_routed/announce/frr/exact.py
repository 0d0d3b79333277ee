"""Read what bgpd sends by asking for each prefix, where listings would walk a large table. Pure.

bgpd answers no one else while it lists: 300,000 routes to one neighbor take it three seconds, in
which its own sessions starve, and vtysh gives up.
"""

from __future__ import annotations

import contextlib
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr import answers, config_lines
from anycast_routed.announce.frr.config_lines import TAG
from anycast_routed.model import Route

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Prefix

# Costs in units of 0.03 s / 1,000, the time for one route of a listing from bgpd to its value here.
_QUESTION = 5  # one prefix, with everyone who is sent it
_WALKED = 60  # so many entries of the table that a listing skips cost one unit
_BEARABLE = 1_000  # units for the routes of others: 1 % of a CPU
_SHUT_DOWN = frozenset({"Idle (Admin)", "Idle (PfxCt)"})
_LOADED = 60_000  # milliseconds in which a neighbor that has come up sends its table


def families(
    running: Running, summary: Mapping[str, Any], established: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """Return the address families in which each prefix is asked for by itself.

    A listing shows what a neighbor's route-map makes of the attributes; the answer for a prefix has
    those of the table. So there are listings as long as others' routes cost little.
    """
    found = set()
    for family in answers.FAMILIES:
        ours = sum(f"ipv{prefix.version}" == family for prefix in running.networks)
        facts = summary.get(f"{family}Unicast") or {}
        peers = [one for name, one in (facts.get("peers") or {}).items() if name in established]
        walked = (1 + len(peers)) * max(0, facts.get("ribCount", 0) - 2 * ours)
        sent = sum(max(0, (one.get("pfxSnt") or 0) - ours) for one in peers)
        if walked / _WALKED + sent > max(_BEARABLE, _QUESTION * ours):
            found.add(family)
    return frozenset(found)


def may_grow(running: Running, summary: Mapping[str, Any]) -> bool:
    """Return whether a neighbor of the operator is about to send a table, or still sends it.

    Then a listing that was cheap a moment ago need not be so now.
    """
    return any(
        name not in running.our_neighbors
        and facts.get("state") not in _SHUT_DOWN
        and (facts.get("peerUptimeMsec") or 0) < _LOADED
        for name, (facts, _) in answers.peers(summary).items()
    )


def questions(running: Running, asked: Collection[str]) -> dict[Prefix, str]:
    """Return the command for each of our networks in these families."""
    return {
        prefix: answers.path_question(prefix)
        for prefix in running.networks
        if f"ipv{prefix.version}" in asked
    }


def table(running: Running, answered: Mapping[Prefix, Any]) -> dict[str, Any]:
    """Return our paths in the form of a listing of our routes."""
    summaries = _summaries(running)
    return {
        "routes": {
            str(prefix): [
                _listed(path, covered=best and _is_below(prefix, summaries), best=best)
                for path in answers.paths(answer or {})
                if path.get("tag") == TAG
                for best in (bool((path.get("bestpath") or {}).get("overall")),)
            ]
            for prefix, answer in answered.items()
        }
    }


def _listed(path: Mapping[str, Any], *, covered: bool, best: bool) -> dict[str, Any]:
    """Return a path as a listing has it; FRR 8 says there only that an aggregate covers it."""
    return {**path, "bestpath": best, "suppressed": covered or path.get("suppressed")}


def _summaries(running: Running) -> tuple[Prefix, ...]:
    """Return the operator's aggregates that keep the prefixes below them from all neighbors."""
    found = []
    for line in running.lines:
        if config_lines.in_family(line) and line.words[0] == "aggregate-address":
            with contextlib.suppress(ValueError, IndexError):
                if "summary-only" in line.words:
                    found.append(ip_network(line.words[1], strict=False))
    return tuple(found)


def _is_below(prefix: Prefix, summaries: Collection[Prefix]) -> bool:
    return any(
        one.version == prefix.version
        and one.prefixlen < prefix.prefixlen
        and prefix.network_address in one
        for one in summaries
    )


def exported(name: str, answered: Mapping[Prefix, Any], running: Running) -> Iterator[Route]:
    """Yield what one neighbor is sent of our paths, with the attributes of bgpd's table.

    `advertisedTo` names the neighbors that bgpd has sent the best path. Communities are as in
    `answers.exported`.
    """
    for prefix, answer in answered.items():
        best = answers.best_path(answer or {}) or {}
        if best.get("tag") == TAG and name in (answer.get("advertisedTo") or {}):
            withheld = (name, f"ipv{prefix.version}") in running.without_communities
            yield Route(prefix, answers.attributes(best, () if withheld else None))
