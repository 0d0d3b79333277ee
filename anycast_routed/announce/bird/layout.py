"""A plan as bird.conf.j2 needs it, and the text that comes of it. Pure.

LocalPref, next hop and communities stand in the static route's own block: a change there is one
UPDATE for that one route. In a filter, every prefix would be sent again.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.model import Address, Announcement, Community, Plan, Prefix
    from anycast_routed.password import Password

_MARK = re.compile(r'^define anycast_routed_loaded = "([0-9a-f]+)";$', re.MULTILINE)
_ROUTED = re.compile(r"\broute\s+([0-9a-fA-F.:]+/\d+)")
_ROUTE_LINE = re.compile(r"^  route (\S+) blackhole \{[^{}]*\};\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """One static route, with every attribute that an operator's own template may use.

    The note is always empty: it is for people, and another note must not be another config.
    """

    prefix: Prefix
    service: str
    source: str
    local_pref: int | None
    next_hop: Address | None
    communities: tuple[Community, ...]
    graceful_shutdown: bool
    on_host: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class StaticBlock:
    """One `protocol static`: the routes of one service in one family."""

    name: str
    family: str
    table: str
    routes: tuple[StaticRoute, ...]


@dataclass(frozen=True, slots=True)
class BgpBlock:
    """One `protocol bgp`, named by its neighbor: a name by number would reset other sessions."""

    name: str
    address: Address
    asn: int
    description: str
    password: Password | None


def variables(plan: Plan) -> Mapping[str, object]:
    """Return the variables of bird.conf.j2.

    With sessions of our own the routes stand in tables of our own, so that the operator's kernel
    protocol never sees them; without, in the operator's master tables, for the operator's sessions.
    """
    table = "anycast" if plan.sessions else "master"
    blocks = tuple(
        StaticBlock(
            name=f"anycast_{service.replace('-', '_')}_v{version}",
            family=f"ipv{version}",
            table=f"{table}{version}",
            routes=tuple(
                _static_route(one)
                for one in plan.announcements
                if (one.service, one.prefix.version) == (service, version)
            ),
        )
        for service in plan.services
        for version in (4, 6)
    )
    peers = tuple(
        BgpBlock(
            name="anycast_peer_" + re.sub("[.:]", "_", str(peer.address)),
            address=peer.address,
            asn=peer.asn,
            description=peer.description,
            password=peer.password,
        )
        for peer in (plan.sessions.peers if plan.sessions else ())
    )
    return {"sessions": plan.sessions, "peers": peers, "blocks": blocks}


def mark(text: str) -> str | None:
    """Return the fingerprint that a text defines as a constant; None without one."""
    found = _MARK.search(text)
    return found.group(1) if found else None


class BirdLayout:
    """The text of our include file."""

    reads_file = True

    def held(self, text: str) -> frozenset[Prefix]:
        """Return the prefixes of the routes, whatever the layout of an operator's own template."""
        found: set[Prefix] = set()
        for written in _ROUTED.findall(text):
            with contextlib.suppress(ValueError):  # edited by hand; BIRD refuses it too
                found.add(ip_network(written))
        return frozenset(found)

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Remove the route lines of these prefixes, or all."""
        if prefixes is None:
            cut = _ROUTE_LINE.sub("", text)
            return cut if " route " not in cut else ""
        names = frozenset(str(prefix) for prefix in prefixes)
        cut = _ROUTE_LINE.sub(lambda line: "" if line.group(1) in names else line.group(), text)
        return cut if names.isdisjoint(cut.split()) else ""


def _static_route(one: Announcement) -> StaticRoute:
    return StaticRoute(
        prefix=one.prefix,
        service=one.service,
        source=one.source,
        local_pref=one.local_pref,
        next_hop=one.next_hop,
        communities=one.attributes.communities or (),
        graceful_shutdown=one.graceful_shutdown,
        on_host=one.on_host,
    )
