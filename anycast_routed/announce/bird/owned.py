"""Which protocols of BIRD are ours, by their names. Pure.

An operator may have an `anycast_web_v4` too: what our file does not define is not ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import protocols

if TYPE_CHECKING:
    from anycast_routed.model import Address

# The first form is ours alone: no name of a service begins with an underscore.
_OF_PREFIX = re.compile(r"anycast__[a-z0-9_]+_v[46]")
_OF_SERVICE = re.compile(r"anycast_[a-z0-9_]+_v[46]")


@dataclass(frozen=True, slots=True)
class Owned:
    """Our static protocols: those of a prefix, and those of a service that our file defines."""

    named: frozenset[str] | None = None
    """What our file defines. None if it is lost and BIRD runs it: each name of our form counts."""

    @classmethod
    def by(cls, text: str) -> Owned:
        """Return the protocols that the text of our file defines."""
        return cls(frozenset(protocols.states(text)))

    def has(self, name: str) -> bool:
        """Return whether a static protocol of this name is ours."""
        if _OF_PREFIX.fullmatch(name):
            return True
        return bool(_OF_SERVICE.fullmatch(name)) and (self.named is None or name in self.named)


def symbol(address: Address) -> str:
    """Return an address as a part of a name: BIRD's symbols have no dots and colons."""
    return re.sub("[.:]", "_", str(address))


def session_name(address: Address) -> str:
    """Return the name of our session with a neighbor, by which it is known as ours."""
    return f"anycast_peer_{symbol(address)}"
