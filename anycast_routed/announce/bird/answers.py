"""What BIRD's `show` commands say, as values. Pure: replies in, model out."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from anycast_routed.model import Route, Session, by_address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from anycast_routed.announce.bird.socket import Reply
    from anycast_routed.model import Address, Prefix

_VERSION = re.compile(r"BIRD \S+")
_PROTOCOL = re.compile(r"^([\w.-]+)\s+(\w+)\s+(\S+)\s+\S+\s+\S+")
_OUR_SESSION = re.compile(r"^anycast_peer_[0-9a-f_]+$")
OURS = "anycast_*"
"""Every protocol that we bring, as a pattern of BIRD's."""
# What we bring is named so; an operator's own anycast_web is not ours.
_OUR_STATIC = re.compile(r"anycast_[a-z0-9_]+_v[46]")
_ROUTE = re.compile(r"^([0-9a-fA-F.:]+/\d+)\s.*?\[(\S+) ")
_MOST = 1 << 16  # texts that are remembered: the same ones come for each table and session
_LISTINGS = 8  # so for whole listings, and again at the next reading when nothing has changed
_ATTRIBUTE = re.compile(r"^\tBGP\.(next_hop|local_pref): (\S+)")


def version(greeting: str) -> str:
    """`BIRD 2.0.12` from what it says first on a connection."""
    found = _VERSION.search(greeting)
    return found.group() if found else "BIRD"


def tables(reply: Reply) -> tuple[str, ...]:
    """Return the tables of our static protocols from `show protocols`, with or without `all`."""
    found = (_PROTOCOL.match(line) for line in reply.lines)
    return tuple(
        dict.fromkeys(
            match.group(3)
            for match in found
            if match and match.group(2) == "Static" and _OUR_STATIC.fullmatch(match.group(1))
        )
    )


def listing(tables: Iterable[str]) -> str:
    """Return the one command that lists what we have put into these tables."""
    return f'show route {" ".join(f"table {table}" for table in tables)} where proto ~ "{OURS}"'


def holders(reply: Reply, prefixes: Collection[Prefix] | None) -> tuple[str, ...]:
    """Return which static protocols of ours hold any of these prefixes, from a listing."""
    found = (_ROUTE.match(line) for line in reply.lines)
    return tuple(
        dict.fromkeys(
            match.group(2)
            for match in found
            if match
            and _OUR_STATIC.fullmatch(match.group(2))
            and (prefixes is None or _network(match.group(1)) in prefixes)
        )
    )


def sessions(reply: Reply) -> tuple[Session, ...]:
    """Return the BGP sessions from `show protocols all`, in BIRD's order."""
    found: list[Session] = []
    name = ""
    facts: dict[str, str] = {}

    def close() -> None:
        if "Neighbor address" in facts:
            # A link-local neighbor is written with its interface: fe80::1%eth0.
            address = ip_address(facts["Neighbor address"].partition("%")[0])
            state = facts.get("BGP state", "Down")
            ours = bool(_OUR_SESSION.match(name))
            asn = int(facts.get("Neighbor AS", "0"))
            error = facts.get("Last error", "")
            found.append(Session(name, address, asn, ours, state, state == "Established", error))

    for line in reply.lines:
        protocol = _PROTOCOL.match(line)
        if protocol:
            close()
            name = protocol.group(1)
            facts = {}
        else:
            key, colon, value = line.strip().partition(":")
            if colon:
                facts.setdefault(key, value.strip())
    close()
    return tuple(found)


@lru_cache(_LISTINGS)
def routes(reply: Reply) -> tuple[Route, ...]:
    """Return our routes from `show route … all`, each once, sorted by address."""
    found: list[Route] = []
    prefix = ""
    local_pref: int | None = None
    next_hop: Address | None = None

    def close() -> None:
        if prefix:
            found.append(Route(_network(prefix), local_pref, next_hop))

    for line in reply.lines:
        if line.startswith("\t"):
            attribute = _ATTRIBUTE.match(line)
            if attribute is None:
                continue
            if attribute.group(1) == "local_pref":
                local_pref = int(attribute.group(2))
            else:
                next_hop = _address(attribute.group(2))
        elif route := _ROUTE.match(line):
            close()
            ours = _OUR_STATIC.fullmatch(route.group(2))
            prefix, local_pref, next_hop = route.group(1) if ours else "", None, None
    close()
    found.sort(key=lambda route: by_address(route.prefix.network_address))
    return tuple(dict.fromkeys(found))


@lru_cache(_MOST)
def _network(text: str) -> Prefix:
    return ip_network(text)


@lru_cache(_MOST)
def _address(text: str) -> Address:
    return ip_address(text)
