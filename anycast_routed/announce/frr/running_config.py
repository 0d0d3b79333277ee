"""Find our lines in FRR's running config, and the operator's lines that conflict. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from anycast_routed.announce.frr import config_lines, releases
from anycast_routed.announce.frr.config_lines import MAP_IN, MAP_OUT, Line

if TYPE_CHECKING:
    from anycast_routed.model import Prefix, Version

_OUR_OPTIONS = frozenset(
    {
        "remote-as",
        "description",
        "password",
        "timers connect",
        "activate",
        "attribute-unchanged",
        "route-map in",
        "route-map out",
    }
)
_OF_INSTANCE = (
    "address-family ",
    "bgp router-id ",
    "coalesce-time ",
    config_lines.WITHOUT_IMPORT_CHECK,
)
"""How the lines of an instance begin that a rendered text sets, beside neighbors and networks."""
_MARKS = (
    f" route-map {MAP_IN} in",
    f" route-map {MAP_OUT} out",
    " attribute-unchanged next-hop",
)
"""How lines of each of our neighbors end."""
_ENOUGH = 2  # marks: an operator may have removed one by hand
_LATEST = 4  # parsed texts of each kind that are kept
_NO_COMMUNITIES = re.compile(r"no neighbor (\S+) send-community(?: standard| both| all)?")


@dataclass(frozen=True)
class Running:
    """A running config. `Rendered` is a rendered text, which has the same form."""

    text: str
    known: frozenset[str] | None = None
    """The neighbors that our last load gave; None if that is not known, as after a boot."""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """All lines, with those that FRR implies."""
        lines = config_lines.parse(self.text)
        return (*lines, *_implied(lines))

    @cached_property
    def version(self) -> Version:
        """FRR's version."""
        return releases.version(self.text)

    @cached_property
    def instance(self) -> Line | None:
        """The line that opens the BGP instance of the default VRF."""
        for line in self.lines:
            if not line.context and config_lines.instance_as(line.text) is not None:
                return line
        return None

    @property
    def other_instances(self) -> tuple[str, ...]:
        """The VRFs and views that have a BGP instance of their own."""
        names = (config_lines.other_instance(one.text) for one in self.lines if not one.context)
        return tuple(filter(None, names))

    @property
    def local_as(self) -> int | None:
        """The AS of the BGP instance of the default VRF; None without one."""
        return config_lines.instance_as(self.instance.text) if self.instance else None

    @cached_property
    def neighbors(self) -> tuple[str, ...]:
        """Every neighbor of the instance, ours and the operator's, by FRR's name for it."""
        names = (config_lines.neighbor(line) for line in self.lines)
        return tuple(dict.fromkeys(name for name in names if name))

    @cached_property
    def our_neighbors(self) -> frozenset[str]:
        """The neighbors that our last load gave, and that still carry at least two of our marks.

        If it is not known what that gave: those that carry all marks. An operator may use our
        route-maps too, to send a neighbor of their own what is ours.
        """
        if self.known is None:
            return self._marked(len(_MARKS))
        return self._marked(_ENOUGH) & self.known

    def _marked(self, least: int) -> frozenset[str]:
        """Return the neighbors with at least so many of our marks, one of them a route-map."""
        carried = {
            (name, mark)
            for line in self.lines
            for mark in _MARKS
            if line.text.endswith(mark) and (name := config_lines.neighbor(line))
        }
        count = Counter(name for name, _ in carried)
        return frozenset(name for name, number in count.items() if number >= least)

    @cached_property
    def networks(self) -> dict[Prefix, Line]:
        """Our networks."""
        return {
            prefix: line
            for line in self.lines
            if (prefix := config_lines.network(line)) is not None
        }

    @cached_property
    def owner(self) -> str:
        """The mark of the run directory that owns our lines; empty without one."""
        return next(filter(None, map(config_lines.owner, self.lines)), "")

    @cached_property
    def sets_communities(self) -> bool:
        """Whether any of our route-maps sets communities."""
        return any(
            line.text.startswith("set community ")
            for line in self.lines
            if config_lines.is_map(line)
        )

    @cached_property
    def without_communities(self) -> frozenset[tuple[str, str]]:
        """The neighbors that are sent no communities, each with a family: (`10.0.0.1`, `ipv4`)."""
        return frozenset(
            (found.group(1), line.context[1].split()[1])
            for line in self.lines
            if config_lines.in_family(line) and (found := _NO_COMMUNITIES.fullmatch(line.text))
        )

    @cached_property
    def statics(self) -> dict[Prefix, Line]:
        """Our static routes."""
        return {
            prefix: line for line in self.lines if (prefix := config_lines.static(line)) is not None
        }

    @cached_property
    def imports_unchecked(self) -> bool:
        """Whether bgpd announces a network without a route for it too."""
        return any(
            line.text == config_lines.WITHOUT_IMPORT_CHECK and config_lines.in_instance(line)
            for line in self.lines
        )

    @property
    def is_ours_alone(self) -> bool:
        """Whether the instance has nothing of the operator's, or does not exist."""
        return self.is_alone_with(self.our_neighbors)

    def is_alone_with(self, neighbors: frozenset[str]) -> bool:
        """Whether the instance has only these neighbors, our networks, and what we set in it."""
        return all(
            self.owns(line)
            or config_lines.neighbor(line) in neighbors
            or line.text.startswith(_OF_INSTANCE)
            for line in self.lines
            if self.instance and line.context[:1] == (self.instance.text,)
        )

    @cached_property
    def logs_passwords(self) -> bool:
        """Whether FRR writes each command into its log, while a neighbor has a password."""
        said = {line.text for line in self.lines if not line.context}
        return "log commands" in said and any(map(config_lines.has_password, self.lines))

    def owns(self, line: Line, options: frozenset[str] = _OUR_OPTIONS) -> bool:
        """Return whether a line is ours. Options of our neighbors that we never set are not."""
        if config_lines.is_map(line) or config_lines.static(line) or config_lines.network(line):
            return True
        name = config_lines.neighbor(line)
        return name in self.our_neighbors and config_lines.neighbor_key(line) in options

    def owned(self, options: frozenset[str] = _OUR_OPTIONS) -> tuple[Line, ...]:
        """Return the lines that are ours, in their order."""
        return tuple(line for line in self.lines if self.owns(line, options))

    @cached_property
    def options(self) -> frozenset[str]:
        """The neighbor options that we own: ours, and those that an own template sets."""
        given = {
            config_lines.neighbor_key(line) for line in self.lines if config_lines.neighbor(line)
        }
        return _OUR_OPTIONS | given


class Rendered(Running):
    """A rendered text: all its neighbors are ours that are marked as such."""

    @cached_property
    def our_neighbors(self) -> frozenset[str]:
        """The neighbors that carry at least two of our marks: an own template may omit one."""
        return self._marked(_ENOUGH)


@lru_cache(_LATEST)
def running(text: str, known: frozenset[str] | None = None) -> Running:
    """Parse this running config; an unchanged text gives the same object again."""
    return Running(text, known)


@lru_cache(_LATEST)
def rendered(text: str) -> Rendered:
    """Parse this rendered text; an unchanged text gives the same object again."""
    return Rendered(text)


def _implied(lines: tuple[Line, ...]) -> list[Line]:
    """Return the `activate` lines that FRR does not print because they are the default."""
    instances = [line for line in lines if not line.context and config_lines.instance_as(line.text)]
    if not instances:
        return []
    (instance, *_) = (line.text for line in instances)
    said = frozenset(line.text for line in lines if line.context == (instance,))
    families = [] if "no bgp default ipv4-unicast" in said else ["ipv4"]
    families += ["ipv6"] if "bgp default ipv6-unicast" in said else []
    implied = []
    for family in families:
        context = (instance, f"address-family {family} unicast")
        names = {
            config_lines.neighbor(line): None for line in lines if line.context[:1] == (instance,)
        }
        inside = frozenset(line.text for line in lines if line.context == context)
        implied += [
            Line(context, f"neighbor {name} activate")
            for name in names
            if name and f"no neighbor {name} activate" not in inside
        ]
    return [line for line in implied if line not in lines]
