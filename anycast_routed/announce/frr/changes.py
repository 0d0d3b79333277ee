"""Compute the lines that turn FRR's running config into the desired one, in a safe order. Pure.

First the withdrawals, then route-maps before the lines that name them (bgpd withdraws a network
whose route-map is not defined yet), and last the removal of what nothing uses any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.config_lines import Line
from anycast_routed.announce.frr.running_config import Running

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from anycast_routed.model import Prefix


_MAPS = 50
"""The most route-maps of one portion: bgpd does nothing else while it takes them."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Lines to send to FRR, each in its context. All are empty if nothing changes."""

    withdrawals: tuple[Line, ...] = ()
    """bgpd: networks to remove."""
    statics: tuple[Line, ...] = ()
    """staticd: routes to add."""
    additions: tuple[Line, ...] = ()
    """bgpd: removals of conflicting lines; then maps, neighbors and networks, in this order."""
    unused_statics: tuple[Line, ...] = ()
    """staticd: routes to remove."""
    unused_maps: tuple[Line, ...] = ()
    """bgpd: maps to remove."""

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


def withdrawals(running: Running, keep: Iterable[Prefix]) -> tuple[Line, ...]:
    """Return the lines that remove all our networks except `keep`. They name no route-map."""
    kept = frozenset(keep)
    return tuple(
        Line(line.context, f"no network {prefix}")
        for prefix, line in running.networks.items()
        if prefix not in kept
    )


@lru_cache(1)  # the daemon compares the same texts every few seconds
def changes(wanted: Running, running: Running) -> Changes:
    """Return the changes that make `running` hold exactly the lines of `wanted` that we own.

    Lines of the instance itself (its router id) are sent only if the instance is new.
    """
    options = wanted.options
    owned, goal = running.owned(options), wanted.owned(options)
    have, needed = frozenset(owned), frozenset(goal)
    new = [line for line in goal if line not in have]
    superfluous = [line for line in owned if line not in needed]
    instance = _creation(wanted) if running.instance is None else []
    leaving = running.our_neighbors - wanted.our_neighbors
    return Changes(
        withdrawals=withdrawals(running, wanted.networks),
        statics=tuple(line for line in new if config_lines.static(line)),
        additions=(
            *_in_the_way(superfluous, goal, leaving),
            *_leave(running, leaving),
            *(line for line in new if config_lines.is_map(line)),
            *instance,
            *_unchecked(wanted, running),
            *_by_neighbor(new),
            *(line for line in new if config_lines.network(line)),
        ),
        unused_statics=tuple(
            Line((), f"no {line.text}") for line in superfluous if config_lines.static(line)
        ),
        unused_maps=tuple(
            Line((), f"no {line.text}")
            for line in superfluous
            if config_lines.is_map(line) and not line.context
        ),
    )


def portions(
    additions: Iterable[Line], there: Collection[Prefix], most: int = _MAPS
) -> list[list[Line]]:
    """Split additions, in their order, into portions of so many route-maps of networks.

    Each portion has the networks of its route-maps. The first one has everything else: what is
    `there` already, and so is changed, waits for no new network.
    """
    lines = tuple(additions)
    networks = [line for line in lines if config_lines.network(line)]
    urgent = {config_lines.map_name(one) for one in networks if config_lines.network(one) in there}
    named = dict.fromkeys(config_lines.map_name(line) for line in networks)
    new = {config_lines.map_name(line) for line in lines if config_lines.is_map(line)} - urgent
    place = {name: at // most for at, name in enumerate(name for name in named if name in new)}
    found: list[list[Line]] = [[] for _ in range(max(place.values(), default=0) + 1)]
    for line in lines:
        found[place.get(config_lines.map_name(line), 0)].append(line)
    return found


def way_back(before: Running, now: Running, wanted: Running) -> Changes:
    """Return the changes that restore our lines of `before`, after a load of `wanted` failed.

    `now` is the running config after the failure. The prefixes that `wanted` withdraws stay
    withdrawn.
    """
    withdrawn = (before.networks.keys() | before.statics.keys()) - wanted.networks.keys()
    back = changes(Running(config_lines.cut(before.text, withdrawn), before.known), now)
    made = wanted.our_neighbors & frozenset(now.neighbors) - frozenset(before.neighbors)
    if before.instance is None and now.instance is not None and now.is_alone_with(made):
        return replace(back, withdrawals=(), additions=(Line((), f"no {now.instance.text}"),))
    # A new neighbor without our route-map would otherwise look like one of the operator's.
    half_made = _leave(now, made - now.our_neighbors)
    checked = [Line(line.context, _negated(line.text)) for line in _unchecked(now, before)]
    return replace(back, additions=(*half_made, *back.additions, *checked))


def _creation(wanted: Running) -> list[Line]:
    return [
        line
        for line in wanted.lines
        if line == wanted.instance
        or (
            config_lines.in_instance(line)
            and not config_lines.neighbor(line)
            and not _is_family(line)
        )
    ]


def _unchecked(wanted: Running, running: Running) -> list[Line]:
    """Return the line that turns off the import check of an instance that exists already."""
    if running.instance is None or not wanted.imports_unchecked or running.imports_unchecked:
        return []
    return [Line((running.instance.text,), config_lines.WITHOUT_IMPORT_CHECK)]


def _is_family(line: Line) -> bool:
    return line.text.startswith("address-family ")


def _leave(running: Running, names: frozenset[str]) -> list[Line]:
    if running.instance is None:
        return []
    context = (running.instance.text,)
    return [Line(context, f"no neighbor {name}") for name in sorted(names)]


def _in_the_way(
    superfluous: list[Line], goal: tuple[Line, ...], leaving: frozenset[str]
) -> list[Line]:
    """Return removals of lines in maps and neighbors that stay, unless a new value follows."""
    replaced = {_slot(line) for line in goal if config_lines.neighbor(line)}
    headers = {line.text for line in goal if config_lines.is_map(line) and not line.context}
    found = []
    for line in superfluous:
        name = config_lines.neighbor(line)
        if name:
            wrong = name not in leaving and _slot(line) not in replaced
        else:
            wrong = line.context != () and line.context[0] in headers
        if wrong:
            found.append(Line(line.context, _negated(_without_value(line))))
    return found


def _without_value(line: Line) -> str:
    """Return what to negate: a password is no program's argument, and FRR takes no description."""
    if config_lines.has_password(line):
        return f"neighbor {config_lines.neighbor(line)} password"
    is_description = config_lines.is_map(line) and line.text.startswith(config_lines.DESCRIPTION)
    return "description" if is_description else line.text


def _slot(line: Line) -> tuple[tuple[str, ...], str, str]:
    return (line.context, config_lines.neighbor(line), config_lines.neighbor_key(line))


def _negated(text: str) -> str:
    return text.removeprefix("no ") if text.startswith("no ") else f"no {text}"


def _urgency(line: Line) -> int:
    """Return the sort key of a neighbor's line.

    The password and our route-maps come first, so that no session comes up without them. The maps
    block all routes except ours.
    """
    key = config_lines.neighbor_key(line).partition(" ")[0]
    first = ("remote-as", "password", "route-map")
    return first.index(key) if key in first else len(first)


def _by_neighbor(lines: Iterable[Line]) -> list[Line]:
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        if name := config_lines.neighbor(line):
            grouped.setdefault(name, []).append(line)
    return [line for group in grouped.values() for line in sorted(group, key=_urgency)]
