"""Replies to BIRD's `show` commands as values. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from anycast_routed.announce.bird.owned import session_name
from anycast_routed.announce.bird.protocols import network
from anycast_routed.model import Attributes, Route, Session, by_address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.releases import Release
    from anycast_routed.announce.bird.socket import Reply
    from anycast_routed.model import Community, Prefix

# A name in quotes may have dots, colons and dashes.
_PROTOCOL = re.compile(r"^([\w.:-]+)\s+(\w+)\s+(\S+)\s+(\S+)\s+\S+")
_FAMILIES = {"ipv4": 4, "ipv6": 6}
_CHANNEL = re.compile(r"^  Channel (\S+)$")
_VRF = re.compile(r"^  VRF: +(?!default$)(\S+)$", re.MULTILINE)
ACCEPTS_ALL = "ACCEPT"
ACCEPTS_NOTHING = "REJECT"
"""How `show protocols all` calls the two filters that have no name."""
OURS = "anycast_*"
"""The names of all our protocols, as a pattern for BIRD."""
_ROUTE = re.compile(r"^([0-9a-fA-F.:]+/\d+)\s.*?\[(\S+) ")
_COMMUNITY = re.compile(r"\((\d+),(\d+)\)")
# How many parsed texts are kept: the same ones come for each table and session ...
_MOST = 1 << 16
# ... and how many whole listings: the same ones come again while nothing changes.
_LISTINGS = 8


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a protocol: its address family, its state, its table and its export filter."""

    family: str
    up: bool
    """For BGP: both sides carry this family."""
    table: str
    export: str
    """`ACCEPT`, `REJECT`, `(unnamed)`, or the name of a filter."""


def kinds(reply: Reply) -> dict[str, str]:
    """Return the kind of each protocol (`BGP`, `Direct`) from `show protocols`, or its `all`."""
    found = (_PROTOCOL.match(line) for line in reply.lines)
    return {match.group(1): match.group(2) for match in found if match}


def channels(reply: Reply) -> dict[str, tuple[Channel, ...]]:
    """Return the channels of each protocol from `show protocols all`."""
    found: dict[str, tuple[Channel, ...]] = {}
    for name, block in _blocks(reply):
        facts: dict[str, str] = {}
        found[name] = ()
        for line in block:
            if channel := _CHANNEL.match(line):
                facts = {"Channel": channel.group(1)}
                continue
            key, _, value = line.strip().partition(":")
            if facts and key == "Output filter":
                up = facts.get("State") == "UP"
                one = Channel(facts["Channel"], up, facts.get("Table", ""), value.strip())
                found[name] = (*found[name], one)
            facts.setdefault(key, value.strip())
    return found


def vrfs(reply: Reply) -> dict[str, str]:
    """Return the VRF of each protocol that is in one, from `show protocols all`."""
    found = {name: _VRF.search("\n".join(block)) for name, block in _blocks(reply)}
    return {name: match.group(1) for name, match in found.items() if match}


def described(reply: Reply, description: str) -> frozenset[str]:
    """Return the protocols with this description, from `show protocols all`."""
    line = re.compile(rf"  Description: +{re.escape(description)}")
    found = _blocks(reply)
    return frozenset(name for name, block in found if any(map(line.fullmatch, block)))


def _blocks(reply: Reply) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each protocol of `show protocols all` with the lines about it.

    A protocol whose line is not understood lends its facts to no other.
    """
    name, block = "", list[str]()
    for line in reply.lines:
        if line and not line[0].isspace():
            if name:
                yield name, block
            protocol = _PROTOCOL.match(line)
            name, block = (protocol.group(1) if protocol else ""), []
        else:
            block.append(line)
    if name:
        yield name, block


STOPPING = frozenset({"stop", "flush"})
"""The states of a protocol between up and down."""


def states(reply: Reply) -> dict[str, str]:
    """Return the state of each protocol, from `show protocols`."""
    found = (_PROTOCOL.match(line) for line in reply.lines)
    return {match.group(1): match.group(4) for match in found if match}


def down(reply: Reply) -> dict[str, bool]:
    """Return whether each protocol is down, from `show protocols`: disabled, by whomever."""
    return {name: state == "down" for name, state in states(reply).items()}


def tables(reply: Reply, owned: Owned) -> tuple[str, ...]:
    """Return the tables of our static protocols from `show protocols`, with or without `all`."""
    found = (_PROTOCOL.match(line) for line in reply.lines)
    return tuple(
        dict.fromkeys(
            match.group(3)
            for match in found
            if match and match.group(2) == "Static" and owned.has(match.group(1))
        )
    )


def listing(tables: Iterable[str], prefix: Prefix | None = None) -> str:
    """Return the command that lists our routes in these tables, or those to one prefix."""
    words = (*([str(prefix)] if prefix else []), *(f"table {table}" for table in tables))
    return f'show route {" ".join(words)} where proto ~ "{OURS}"'


def holders(reply: Reply, prefixes: Collection[Prefix] | None, owned: Owned) -> tuple[str, ...]:
    """Return which of our static protocols hold any of these prefixes, from a listing."""
    found = (_ROUTE.match(line) for line in reply.lines)
    return tuple(
        dict.fromkeys(
            match.group(2)
            for match in found
            if match
            and owned.has(match.group(2))
            and (prefixes is None or network(match.group(1)) in prefixes)
        )
    )


def prefixes(lines: Iterable[str], owned: Owned) -> Iterator[Prefix]:
    """Yield the prefixes of our routes in a listing."""
    for line in lines:
        if (route := _ROUTE.match(line)) and owned.has(route.group(2)):
            yield network(route.group(1))


def sessions(reply: Reply) -> tuple[Session, ...]:
    """Return the BGP sessions from `show protocols all`, in BIRD's order."""
    found: list[Session] = []
    carried = channels(reply)
    for name, block in _blocks(reply):
        facts: dict[str, str] = {}
        for line in block:
            key, colon, value = line.strip().partition(":")
            if colon:
                facts.setdefault(key, value.strip())
        if "Neighbor address" in facts:
            families = (_FAMILIES.get(one.family) for one in carried[name] if one.up)
            found.append(_session(name, facts, frozenset(filter(None, families))))
    return tuple(found)


@lru_cache(_LISTINGS)
def routes(reply: Reply, release: Release, owned: Owned) -> tuple[Route, ...]:
    """Return our routes from `show route … all`, each once, sorted by address."""
    found: list[Route] = []
    prefix = ""
    block: list[str] = []
    for line in (*reply.lines, ""):
        if line.startswith("\t"):
            block.append(line)
            continue
        if prefix:
            found.append(Route(network(prefix), _attributes(tuple(block), release)))
        route = _ROUTE.match(line)
        prefix = route.group(1) if route and owned.has(route.group(2)) else ""
        block = []
    found.sort(key=lambda route: by_address(route.prefix.network_address))
    return tuple(dict.fromkeys(found))


def _session(name: str, facts: Mapping[str, str], families: frozenset[int]) -> Session:
    # A link-local neighbor is written with its interface, fe80::1%eth0, and one that is reached
    # without a gateway with a word more: 10.0.0.1 onlink (BIRD 2.18, 3.2).
    state = facts.get("BGP state", "Down")
    address = ip_address(facts["Neighbor address"].split()[0])
    return Session(
        name=name,
        address=address,
        remote_as=int(facts.get("Neighbor AS", "0")),
        ours=name == session_name(address),
        state=state,
        established=state == "Established",
        error=facts.get("Last error", ""),
        families=families,
    )


@lru_cache(_MOST)
def _attributes(block: tuple[str, ...], release: Release) -> Attributes:
    """Return the attributes from the indented lines below a route.

    A list of communities that is longer than one line goes on in lines that are indented twice.
    """
    found: dict[str, str] = {}
    name = ""
    for line in block:
        if line.startswith("\t\t"):
            found[name] = f"{found.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.strip().partition(": ")
            found[name] = value

    def given(names: tuple[str, ...]) -> str:
        return next((found[name] for name in names if name in found), "")

    local_pref = given(release.local_pref)
    # With a link-local next hop, the global one stands first (RFC 2545 section 3).
    next_hop = given(release.next_hop).partition(" ")[0]
    return Attributes(
        int(local_pref) if local_pref else None,
        ip_address(next_hop) if next_hop else None,
        _communities(given(release.communities)),
    )


def _communities(text: str) -> tuple[Community, ...]:
    return tuple(sorted({(int(high), int(low)) for high, low in _COMMUNITY.findall(text)}))
