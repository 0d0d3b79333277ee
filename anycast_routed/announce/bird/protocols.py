"""The static protocols in our text: which routes each has, and whether it is disabled. Pure.

A withdrawn prefix stays in the text, in a protocol that is disabled. So its death and its return
are one word to BIRD (`disable`, `enable`), which reads no config, and any later `configure` of the
operator finds the same state in our file.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from anycast_routed.model import GRACEFUL_SHUTDOWN, Attributes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.model import Prefix

_TEXTS = 4  # parsed texts that are kept: those of one cycle
_MOST = 1 << 16  # parsed prefixes that are kept
_BLOCK = re.compile(
    r"^protocol static (\w+) \{\n(  disabled;\n)?(.*?)^\}\n", re.MULTILINE | re.DOTALL
)
_TABLE = re.compile(r"\btable (\w+);")
_PREFERENCE = re.compile(r"\bpreference (\d+);")
_ROUTED = re.compile(r"\broute\s+([0-9a-fA-F.:]+/\d+)")
_ROUTE_LINE = re.compile(r"^  route (\S+) blackhole \{[^{}]*\};\n", re.MULTILINE)
_ATTRIBUTES = re.compile(
    r"^  route (\S+) blackhole \{ bgp_local_pref = (\d+); bgp_next_hop = (\S+);"
    r"( bgp_community\.add\(\(65535,0\)\);)? \};\n",
    re.MULTILINE,
)
_PIPE = re.compile(r"^protocol pipe (\w+) \{$", re.MULTILINE)
_COMMENT = re.compile(r"^#.*\n", re.MULTILINE)
_DISABLED = re.compile(r"^(protocol static \w+ \{\n)  disabled;\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One static protocol of a text."""

    name: str
    disabled: bool
    table: str
    preference: int | None
    """None where the text leaves it at BIRD's default."""
    routes: frozenset[Prefix]
    begin: int
    """Where its header begins in the text, ..."""
    inside: int
    """... where the line behind its header begins, ..."""
    end: int
    """... and where the text behind it begins."""


@lru_cache(_TEXTS)
def blocks(text: str) -> tuple[Block, ...]:
    """Return the static protocols that have the form of our template.

    Thousands of prefixes take longer to parse than a withdrawal may take: so this is kept for the
    texts of the latest cycle, and `without` and `split` rest on it.
    """
    return tuple(
        Block(
            name=found[1],
            disabled=bool(found[2]),
            table=_first(_TABLE, found[3]),
            preference=int(_first(_PREFERENCE, found[3]) or 0) or None,
            routes=_routes(found[3]),
            begin=found.start(),
            inside=found.start(2) if found[2] else found.start(3),
            end=found.end(),
        )
        for found in _BLOCK.finditer(text)
    )


def held(text: str) -> frozenset[Prefix]:
    """Return the prefixes that a text announces, whatever the layout of an own template."""
    return _routes(_BLOCK.sub(lambda found: "" if found[2] else found[0], text))


def structure(text: str) -> str:
    """Return the text without what `disable` and `enable` change, and without comments."""
    return _COMMENT.sub("", _DISABLED.sub(r"\1", text))


def without(text: str, prefixes: Collection[Prefix] | None) -> str:
    """Return a text that does not announce these prefixes, or any.

    A protocol that has only such routes is disabled; from another one their lines are removed. If
    a prefix would remain (an own template has another form) the text becomes empty.
    """
    gone = None if prefixes is None else frozenset(prefixes)
    kept: list[str] = []
    """What is not in a protocol that is disabled: it may still announce them."""
    parts: list[str] = []
    at = 0
    for block in blocks(text):
        kept.append(_shortened(text[at : block.begin], gone))
        parts.append(kept[-1])
        whole, at = text[block.begin : block.end], block.end
        if block.disabled:
            parts.append(whole)
        elif block.routes and _covers(gone, block.routes):
            header = text[block.begin : block.inside]
            parts += (header, "  disabled;\n", text[block.inside : block.end])
        else:
            kept.append(_shortened(whole, gone))
            parts.append(kept[-1])
    kept.append(_shortened(text[at:], gone))
    left = _routes("\n".join(kept))
    if left and (gone is None or not left.isdisjoint(gone)):
        return ""
    return "".join((*parts, kept[-1]))


def split(text: str, prefixes: Collection[Prefix]) -> tuple[tuple[str, ...], frozenset[Prefix]]:
    """Return the protocols that have only these prefixes, disabled or not, and the other prefixes.

    The text may have lost some of the prefixes already, which BIRD still holds.
    """
    gone = frozenset(prefixes)
    whole = [one for one in blocks(text) if one.routes and _covers(gone, one.routes)]
    return tuple(block.name for block in whole), gone.difference(*(one.routes for one in whole))


def with_states(text: str, wanted: str) -> str:
    """Return a text in which each protocol that `wanted` has too is enabled or disabled as there.

    Both must have the same routes in it, with the same attributes.
    """
    there = {name: (disabled, body) for name, disabled, body in _BLOCK.findall(wanted)}

    def brought(block: re.Match[str]) -> str:
        name, _, body = block.groups()
        disabled, its_body = there.get(name, ("", ""))
        return f"protocol static {name} {{\n{disabled}{body}}}\n" if its_body == body else block[0]

    return _BLOCK.sub(brought, text)


def states(text: str) -> Mapping[str, bool]:
    """Return for each static protocol and each pipe of a text whether it is disabled."""
    found = dict.fromkeys(pipes(text), False)
    return found | {block.name: block.disabled for block in blocks(text)}


def pipes(text: str) -> list[str]:
    """Return the names of the pipes of a text."""
    return _PIPE.findall(text)


@lru_cache(_TEXTS)
def attributes(text: str) -> Mapping[Prefix, Attributes]:
    """Return the attributes of each route that a text has in the form of our template."""
    found: dict[Prefix, Attributes] = {}
    for written, local_pref, next_hop, more in _ATTRIBUTES.findall(text):
        with contextlib.suppress(ValueError):
            communities = (GRACEFUL_SHUTDOWN,) if more else ()
            made = Attributes(int(local_pref), ip_address(next_hop), communities)
            found[network(written)] = made
    return found


def _covers(prefixes: frozenset[Prefix] | None, there: frozenset[Prefix]) -> bool:
    return prefixes is None or there <= prefixes


def _shortened(text: str, gone: frozenset[Prefix] | None) -> str:
    """Return a text without the route lines of these prefixes, or without any."""

    def left(line: re.Match[str]) -> str:
        return "" if gone is None or not gone.isdisjoint(_routes(line[0])) else line[0]

    return _ROUTE_LINE.sub(left, text)


def _routes(text: str) -> frozenset[Prefix]:
    found: set[Prefix] = set()
    for written in _ROUTED.findall(text):
        with contextlib.suppress(ValueError):  # edited by hand; BIRD refuses it too
            found.add(network(written))
    return frozenset(found)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


@lru_cache(_MOST)
def network(text: str) -> Prefix:
    """Return the prefix that stands in a text or in an answer of BIRD."""
    return ip_network(text)
