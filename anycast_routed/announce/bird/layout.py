"""A plan as bird.conf.j2 needs it, and the text that comes of it. Pure.

LocalPref, next hop and communities stand in the static route's own block: a change there is one
UPDATE for that one route. In a filter, every prefix would be sent again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import protocols
from anycast_routed.announce.bird.owned import pipe_name, session_name
from anycast_routed.announce.bird.places import Places

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from anycast_routed.model import Address, Announcement, Community, Plan, Prefix
    from anycast_routed.password import Password

_MARK = re.compile(r'^define anycast_routed_loaded = "([0-9a-f]+)";$', re.MULTILINE)
_OWNER = re.compile(r'^define anycast_routed_owner = "([^"\n]+)";$', re.MULTILINE)


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
    """One `protocol static`: routes that come and go together."""

    name: str
    family: str
    table: str
    """From which the sessions take the routes."""
    own_table: str
    """In which the routes stand: `table` itself, or a small one with a pipe to it."""
    disabled: bool
    """BIRD holds none of its routes until it is told `enable`."""
    preference: int | None
    """None is BIRD's default for a static protocol, 200."""
    routes: tuple[StaticRoute, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """A table of our own, whose routes a `protocol pipe` brings into a table of the operator.

    To remove a route, BIRD walks the table of the protocol that has it. The operator's may have
    every route of the Internet.
    """

    name: str
    family: str
    own_table: str
    table: str


@dataclass(frozen=True, slots=True)
class BgpBlock:
    """One `protocol bgp`, named by its neighbor: a name by number would reset other sessions."""

    name: str
    address: Address
    asn: int
    description: str
    password: Password | None


def variables(
    plan: Plan, current: str | None = None, lost: Collection[Prefix] = (), *, owner: str
) -> Mapping[str, object]:
    """Return the variables of bird.conf.j2; `owner` is the mark of the run directory.

    The routes stand in tables of our own. With sessions of our own they stay there, so that the
    operator's kernel protocol never sees them. Without, `pipes` bring them into the operator's
    master tables, for the operator's sessions; a template that leaves `pipes` out puts the routes
    of each block into its `table` itself.

    `blocks` are the protocols that announce, `standby` those of withheld prefixes. A template that
    leaves `standby` out works as well, but each return of a prefix then needs a reload.

    A prefix stays in the protocol that has it in the `current` text: its route would otherwise be
    sent again. Those that are `lost`, because no session is sent them, may move. A withheld one
    keeps its attributes there, too: they matter when it returns.
    """
    names = Places(plan, current or "", lost)
    announced = [(names.of(one), one) for one in plan.announcements]
    taken = {name for name, _ in announced}
    written = protocols.attributes(current or "")
    waiting = [
        (
            names.apart_from(taken, one),
            replace(one, attributes=written.get(one.prefix, one.attributes)),
        )
        for one in plan.standby
    ]
    blocks, standby = (
        _blocks(members, names, disabled=disabled)
        for members, disabled in ((announced, False), (waiting, True))
    )
    return {
        "owner": owner,
        "sessions": plan.sessions,
        "peers": _peers(plan),
        "pipes": _pipes((*blocks, *standby)),
        "blocks": blocks,
        "standby": standby,
    }


def _pipes(blocks: Iterable[StaticBlock]) -> tuple[Pipe, ...]:
    found = {one.table: one for one in blocks if one.own_table != one.table}
    return tuple(
        Pipe(pipe_name(one.family), one.family, one.own_table, table)
        for table, one in sorted(found.items())
    )


def _peers(plan: Plan) -> tuple[BgpBlock, ...]:
    return tuple(
        BgpBlock(
            name=session_name(peer.address),
            address=peer.address,
            asn=peer.asn,
            description=peer.description,
            password=peer.password,
        )
        for peer in (plan.sessions.peers if plan.sessions else ())
    )


def mark(text: str) -> str | None:
    """Return the fingerprint that a text defines as a constant; None without one."""
    found = _MARK.search(text)
    return found.group(1) if found else None


class BirdLayout:
    """The text of our include file."""

    reads_file = True

    def held(self, text: str) -> frozenset[Prefix]:
        """Return the prefixes of the routes, whatever the layout of an operator's own template."""
        return protocols.held(text)

    def without(self, text: str, prefixes: Collection[Prefix] | None = None) -> str:
        """Disable the protocols that have only these prefixes, and remove other routes of them."""
        return protocols.without(text, prefixes)

    def owner(self, text: str) -> str:
        """Return the constant that names the owner."""
        found = _OWNER.search(text)
        return found[1] if found else ""

    def structure(self, text: str) -> str:
        """Return the text with every protocol enabled: BIRD need not read another one to do so."""
        return protocols.structure(text)

    def without_reload(self, current: str, wanted: str) -> str:
        """Return `current` with each protocol that both texts have in the state of `wanted`."""
        return protocols.with_states(current, wanted)


def _blocks(
    members: Iterable[tuple[str, Announcement]], names: Places, *, disabled: bool
) -> tuple[StaticBlock, ...]:
    found: dict[str, list[Announcement]] = {}
    for name, one in members:
        if name:
            found.setdefault(name, []).append(one)
    return tuple(
        StaticBlock(
            name=name,
            family=f"ipv{version}",
            table=f"{names.table}{version}",
            own_table=names.own_table(name, version),
            disabled=disabled,
            preference=names.preference(name),
            routes=tuple(map(_static_route, listed)),
        )
        for name, listed in found.items()
        for version in (listed[0].prefix.version,)
    )


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
