"""Parse FRR's config into lines in their contexts, and define the names of our lines. Pure.

FRR indents one space a level, in its running config and in our template: so the context of a line
is the lines above it that are indented less.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from anycast_routed.announce.frr.releases import LONGEST_LINE
from anycast_routed.announce.masking import masked
from anycast_routed.errors import RejectedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.model import Prefix

OURS = "ANYCAST-ROUTED-"
"""The names of all our route-maps begin with this; no name of the operator's may."""
MAP_OUT = f"{OURS}OUT"
"""Exports the routes with our tag. A neighbor with this route-map is ours."""
MAP_IN = f"{OURS}IN"
MAP_OWNER = f"{OURS}OWNER"
"""Nothing uses this route-map: its description is the mark of the run directory that owns all."""
TAG = 53179
"""Set by a network's route-map. It is local to bgpd and never sent."""
STATIC_TAG = 53180
"""Marks a static route as ours. It differs from TAG, or `redistribute static` would export it."""
STATIC_DISTANCE = 250
"""FRR overwrites a static of the same distance, so an operator's usually has another."""

WITHOUT_IMPORT_CHECK = "no bgp network import-check"
"""Has bgpd announce a network without a route for it too."""

DESCRIPTION = "description "
_OWNER = f"route-map {MAP_OWNER} deny 10"
_NETWORK = re.compile(rf"network (\S+) route-map {OURS}\S+")
_STATIC = re.compile(rf"ip(?:v6)? route (\S+) blackhole tag {STATIC_TAG} {STATIC_DISTANCE}")
_CUT = re.compile(rf"^(?: *{_NETWORK.pattern}|{_STATIC.pattern}) *\n", re.MULTILINE)
_CUT_STATIC = re.compile(rf"^{_STATIC.pattern} *\n", re.MULTILINE)
_INSTANCE = re.compile(r"router bgp ((?:[0-9]+\.)?[0-9]+)(?: as-notation \S+)?", re.ASCII)
_OTHER_INSTANCE = re.compile(r"router bgp \S+ (?:vrf|view) (\S+)(?: as-notation \S+)?")
_HEADER = re.compile(r"router bgp |address-family |route-map \S+ (?:permit|deny) \d+$")
_FAMILY = re.compile(r"address-family ipv[46] unicast")
_SKIPPED = re.compile(r"!|exit(?:-\S+)?$|end$")
_UNSAFE = re.compile(r"[^ -~]|[\"\\|;{}$#`]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of config, with the lines that open its context, outermost first."""

    context: tuple[str, ...]
    text: str
    number: int = field(default=0, compare=False)
    """The line number in the parsed text, from 1."""

    @property
    def words(self) -> list[str]:
        """The line's words."""
        return self.text.split()


def parse(text: str) -> tuple[Line, ...]:
    """Parse a config as vtysh prints it; layout lines are left out, and spaces are collapsed."""
    lines: list[Line] = []
    above: list[tuple[int, str]] = []
    for number, raw in enumerate(text.split("\n"), 1):
        words = " ".join(raw.split())
        if not words or _SKIPPED.match(words):
            continue
        if (number_of_as := instance_as(words)) is not None:
            words = f"router bgp {number_of_as}"
        indent = len(raw) - len(raw.lstrip(" "))
        while above and above[-1][0] >= indent:
            above.pop()
        lines.append(Line(tuple(opener for _, opener in above), words, number))
        above.append((indent, words))
    return tuple(lines)


def refuse_unsafe(text: str) -> None:
    """Refuse a text with a line that vtysh could split, or that could hang it.

    Raises:
        RejectedError: with the line.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("!"):
            continue
        if len(line) > LONGEST_LINE or _UNSAFE.search(line):
            what = (
                "is too long" if len(line) > LONGEST_LINE else "has a character that vtysh acts on"
            )
            message = f"line {number} {what}: {masked(line)[:80]!r}"
            raise RejectedError(message, hint="nothing was loaded")


def is_header(text: str) -> bool:
    """Return whether this line opens a context."""
    return _HEADER.match(text) is not None


def other_instance(text: str) -> str:
    """Return the VRF or view if this line opens a BGP instance of one, else an empty text."""
    found = _OTHER_INSTANCE.fullmatch(text)
    return found.group(1) if found else ""


def instance_as(text: str) -> int | None:
    """Return the AS number if this line opens the BGP instance of the default VRF, else None."""
    found = _INSTANCE.fullmatch(text)
    if found is None:
        return None
    high, _, low = found.group(1).rpartition(".")
    return int(high or 0) * 65536 + int(low)  # RFC 5396: asdot


@cache
def _place(context: tuple[str, ...]) -> str:
    # A config of 10,000 networks has a handful of contexts: each is classified once.
    if not context:
        return "top"
    if context[0].startswith(f"route-map {OURS}"):
        return "map"
    if instance_as(context[0]) is None:
        return "elsewhere"
    if len(context) == 1:
        return "instance"
    return "family" if len(context) == 2 and _FAMILY.fullmatch(context[1]) else "elsewhere"  # noqa: PLR2004


def in_instance(line: Line) -> bool:
    """Return whether a line stands directly in the BGP instance of the default VRF."""
    return _place(line.context) == "instance"


def in_family(line: Line) -> bool:
    """Return whether a line stands in one of the two unicast families of that instance."""
    return _place(line.context) == "family"


@lru_cache(maxsize=1 << 15)
def _prefix(text: str) -> Prefix | None:
    with contextlib.suppress(ValueError):
        return ip_network(text)
    return None


def network(line: Line) -> Prefix | None:
    """Return the prefix if this is one of our networks, else None."""
    found = _NETWORK.fullmatch(line.text) if in_family(line) else None
    return _prefix(found.group(1)) if found else None


def static(line: Line) -> Prefix | None:
    """Return the prefix if this is one of our static routes, else None."""
    found = None if line.context else _STATIC.fullmatch(line.text)
    return _prefix(found.group(1)) if found else None


def is_map(line: Line) -> bool:
    """Return whether a line opens one of our route-maps, or stands in one."""
    return _place(line.context) == "map" or (
        not line.context and line.text.startswith(f"route-map {OURS}")
    )


def map_name(line: Line) -> str:
    """Return the name of our route-map in a line of the map itself, or in a network that uses it.

    Any other line gives the empty string.
    """
    if is_map(line):
        return (*line.context, line.text)[0].split()[1]
    return line.words[-1] if network(line) else ""


def owner(line: Line) -> str:
    """Return the mark if this line has that of the owner, else the empty string."""
    is_mark = line.text.startswith(DESCRIPTION) and line.context[:1] == (_OWNER,)
    return line.text.removeprefix(DESCRIPTION) if is_mark else ""


def neighbor(line: Line) -> str:
    """Return the neighbor that a line of the BGP instance configures, or the empty string."""
    words = line.words
    if words[0] == "no":
        words = words[1:]
    named = words[:1] == ["neighbor"] and (in_instance(line) or in_family(line))
    return words[1] if named and len(words) > 1 else ""


def neighbor_key(line: Line) -> str:
    """Return the option of a neighbor that a line sets; each has one value in its context.

    The empty string for a line that is too short to have one.
    """
    words = line.words[3 if line.words[0] == "no" else 2 :]
    if words[:1] == ["route-map"]:
        return f"route-map {words[-1]}"
    return " ".join(words[: 2 if words[:1] == ["timers"] else 1])


def has_password(line: Line) -> bool:
    """Return whether this line sets a neighbor's password, which other users must not see."""
    return line.text.startswith("neighbor ") and neighbor_key(line) == "password"


def cut(text: str, prefixes: Collection[Prefix] | None) -> str:
    """Return a config without our networks and statics for these prefixes, or without any."""
    names = None if prefixes is None else frozenset(str(prefix) for prefix in prefixes)
    return _CUT.sub(
        lambda found: "" if names is None or (found[1] or found[2]) in names else found[0], text
    )


def cut_statics(text: str, prefixes: Collection[Prefix]) -> str:
    """Return a config without our statics for these prefixes; the networks stay."""
    names = frozenset(str(prefix) for prefix in prefixes)
    return _CUT_STATIC.sub(lambda found: "" if found[1] in names else found[0], text)


def without(text: str, prefixes: Collection[Prefix] | None) -> str:
    """Return the same as `cut`; the empty text if a trace of the prefixes would remain."""
    kept = cut(text, prefixes)
    words = kept.replace(WITHOUT_IMPORT_CHECK, "").split()
    clean = (
        "network" not in words
        if prefixes is None
        else {str(prefix) for prefix in prefixes}.isdisjoint(words)
    )
    return kept if clean else ""


def count_networks(text: str) -> int:
    """Return how many lines of a config are our networks."""
    return sum(_NETWORK.fullmatch(line.strip()) is not None for line in text.split("\n"))
