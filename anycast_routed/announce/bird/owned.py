"""Which protocols of BIRD are ours. Pure.

The name alone does not tell: an operator may have an `anycast_web_v4` or an `anycast__1_2_3_4_v4`.
Ours are those that our file defines. BIRD may also run protocols of an earlier file: its load was
refused or interrupted, or the file is lost. Those are known by their description.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.model import Address

DESCRIPTION = "anycast-routed"
"""The description of each of our static protocols; texts of older versions have none."""
_TEXTS = 4  # texts whose protocols are kept: those of one cycle
# No name of a service begins with an underscore.
_OF_PREFIX = re.compile(r"anycast__[a-z0-9_]+_v[46]")
_OF_SERVICE = re.compile(r"anycast_[a-z0-9_]+_v[46]")
# Whatever the layout of an operator's own template.
_DEFINED = re.compile(r"\bprotocol\s+static\s+'?(\w+)")
_DESCRIBED = re.compile(
    rf"\bprotocol\s+static\s+'?(\w+)'?\s*\{{[^{{}}]*?\bdescription \"{DESCRIPTION}\";"
)


@dataclass(frozen=True, slots=True)
class Owned:
    """Our static protocols, by their names."""

    named: frozenset[str] | None = None
    """None if BIRD runs a text without descriptions that is lost: each name of our form counts."""

    @classmethod
    def by(cls, text: str) -> Owned:
        """Return the protocols that the text of our file defines."""
        return cls(_defined_in(text))

    def has(self, name: str) -> bool:
        """Return whether a static protocol of this name is ours."""
        return is_of_our_form(name) and (self.named is None or name in self.named)


@lru_cache(_TEXTS)
def _defined_in(text: str) -> frozenset[str]:
    return frozenset(_DEFINED.findall(text))


@lru_cache(_TEXTS)
def described_in(text: str) -> frozenset[str]:
    """Return the protocols to which the text of our file gives our description."""
    return frozenset(_DESCRIBED.findall(text))


def is_of_our_form(name: str) -> bool:
    """Return whether the name has the form that anycast-routed gives its static protocols."""
    return bool(_OF_SERVICE.fullmatch(name))


def of_prefixes(names: Iterable[str]) -> frozenset[str]:
    """Return the names in the form of a protocol that has one prefix."""
    return frozenset(name for name in names if _OF_PREFIX.fullmatch(name))


def symbol(address: Address) -> str:
    """Return an address as a part of a name: BIRD's symbols have no dots and colons."""
    return re.sub("[.:]", "_", str(address))


def session_name(address: Address) -> str:
    """Return the name of our session with a neighbor, by which it is known as ours."""
    return f"anycast_peer_{symbol(address)}"


def pipe_name(family: str) -> str:
    """Return the name of our pipe to the operator's table of a family, such as `ipv4`.

    The names of our static protocols end with `_v4` or `_v6`, so none is the same.
    """
    return f"anycast__pipe{family[-1]}"


PIPES = frozenset({pipe_name("ipv4"), pipe_name("ipv6")})
"""The names of both our pipes."""
