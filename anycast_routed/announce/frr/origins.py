"""Find who else announces our prefixes: bgpd's paths that do not carry our tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.answers import best_path, paths
from anycast_routed.announce.frr.config_lines import STATIC_TAG, TAG
from anycast_routed.model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.model import Prefix

_NOBODY = frozenset({"0.0.0.0", "::", "(unspec)"})  # nosec B104  # noqa: S104 - no peer, as FRR writes it
_LOCAL = frozenset({"connected", "kernel", "local", "static", "table"})
"""What `redistribute` takes from this host; the others are routing protocols."""
_OURS = frozenset({TAG, STATIC_TAG})
"""The tags of our network, and of our static where the operator redistributes it. It goes too."""
_FILTERS = frozenset({"route-map", "prefix-list", "filter-list", "distribute-list"})


def origins(prefix: Prefix, answer: Mapping[str, Any], running: Running) -> Iterator[Origin]:
    """Yield the paths to one prefix that are not ours, and are sent or would be sent.

    `advertisedTo` names who is sent the best path. While ours is the best, a path that this host
    makes counts if some neighbor of the operator has no outbound filter.
    """
    best = best_path(answer)
    if best is None:
        return
    if best.get("tag") != TAG:
        peers = tuple(answer.get("advertisedTo") or ())
        if peers:
            yield _origin(prefix, best, running, peers)
        return
    if open_neighbors(running, f"ipv{prefix.version}"):
        others = (one for one in paths(answer) if one.get("tag") not in _OURS and not _sender(one))
        yield from (_origin(prefix, path, running, ()) for path in others if path.get("valid"))


def _origin(
    prefix: Prefix, path: Mapping[str, Any], running: Running, peers: tuple[str, ...]
) -> Origin:
    if sender := _sender(path):
        return Origin(prefix, f"the session with {sender}", peers, learned=True)
    if path.get("local"):
        line, fix = f"network {prefix}", f"remove `network {prefix}` from `router bgp`"
    elif path.get("aggregated") or "aggregatorAs" in path:
        line, fix = f"aggregate-address {prefix}", f"remove `aggregate-address {prefix}`"
    else:
        lines = _redistributed(running, prefix)
        line = " or ".join(lines) or "redistribute"
        if lines and _LOCAL.isdisjoint(one.split()[1] for one in lines):
            return Origin(prefix, f"`{line}`", peers, learned=True)
        fix = (
            f"give it a route-map that denies {prefix}: {line.partition(' or ')[0]} route-map NAME"
        )
    return Origin(prefix, f"`{line}`", peers, fix=fix)


def _sender(path: Mapping[str, Any]) -> str:
    """Return the neighbor that sent a path; the empty string for one that this host makes."""
    sender = str((path.get("peer") or {}).get("peerId", ""))
    return "" if sender in _NOBODY else sender


def _redistributed(running: Running, prefix: Prefix) -> list[str]:
    """Return the `redistribute` commands of the prefix's family, without their options."""
    found = (" ".join(line.words[:2]) for line in _family(running, f"ipv{prefix.version}"))
    return [command for command in found if command.startswith("redistribute ")]


def open_neighbors(running: Running, family: str) -> tuple[str, ...]:
    """Return the neighbors of the operator that are sent whatever bgpd has, without any filter."""
    lines = tuple(line for line in _family(running, family) if config_lines.neighbor(line))
    filtered = {
        line.words[1]
        for line in lines
        if line.words[-1] == "out" and not _FILTERS.isdisjoint(line.words[2:3])
    }
    active = {line.words[1] for line in lines if line.text.endswith(" activate")}
    groups = dict(_values(running, "peer-group"))
    remotes = dict(_values(running, "remote-as"))
    shut = {line.words[1] for line in running.lines if _is_shutdown(line)}
    theirs = frozenset(running.neighbors) - running.our_neighbors - frozenset(groups.values())
    # Without a policy, eBGP sends nothing (RFC 8212).
    sent = {str(running.local_as), "internal"} if _requires_policy(running) else {*remotes.values()}
    return tuple(
        name
        for name in sorted(theirs)
        for either in ({name, groups.get(name, name)},)
        if filtered.isdisjoint(either) and not active.isdisjoint(either)
        if shut.isdisjoint(either)
        if any(remotes.get(one) in sent for one in either)
    )


def _values(running: Running, option: str) -> Iterator[tuple[str, str]]:
    """Yield each neighbor with the value of an option: `neighbor eth0 interface remote-as 1`."""
    for line in running.lines:
        words = line.words
        if config_lines.in_instance(line) and words[0] == "neighbor" and option in words[2:-1]:
            yield words[1], words[words.index(option, 2) + 1]


def _is_shutdown(line: config_lines.Line) -> bool:
    words = line.words
    return config_lines.in_instance(line) and words[0] == "neighbor" and words[2:3] == ["shutdown"]


def _requires_policy(running: Running) -> bool:
    """Return whether bgpd sends an eBGP neighbor nothing without a policy."""
    said = {line.text for line in running.lines if config_lines.in_instance(line)}
    if any(not line.context and line.text == "frr defaults datacenter" for line in running.lines):
        return "bgp ebgp-requires-policy" in said
    return "no bgp ebgp-requires-policy" not in said


def _family(running: Running, family: str) -> Iterable[config_lines.Line]:
    return (
        line
        for line in running.lines
        if config_lines.in_family(line) and line.context[1] == f"address-family {family} unicast"
    )
