"""Put BGP attributes into words: the only place that does. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.attributes import missing_communities
from anycast_routed.model import GRACEFUL_SHUTDOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.model import Attributes, Community

_NONE = "none"


def words(attributes: Attributes) -> str:
    """Return the attributes as one phrase: `LocalPref 200, next hop 172.17.2.1`."""
    return ", ".join(filter(None, cells(attributes)))


def contradiction(shown: Attributes, desired: Attributes) -> str:
    """Return the shown attributes as one phrase, with the communities that are missing."""
    missing = [
        f"without {_communities(found)}"
        for found in (missing_communities(shown, desired),)
        if found
    ]
    return ", ".join([words(shown), *missing])


def alteration(held: Attributes, sent: Attributes) -> str:
    """Return how a session changes what the router holds: `LocalPref 150 instead of 200`.

    Empty where it changes neither LocalPref nor GRACEFUL_SHUTDOWN. What is not shown is unchanged.
    """
    found = []
    if sent.local_pref not in {None, held.local_pref}:
        found.append(f"LocalPref {sent.local_pref} instead of {held.local_pref}")
    if sent.communities is not None and sent.graceful_shutdown != held.graceful_shutdown:
        found.append(
            f"{'' if sent.graceful_shutdown else 'no '}{_communities((GRACEFUL_SHUTDOWN,))}"
        )
    return " and ".join(found)


def cells(attributes: Attributes) -> tuple[str, str, str]:
    """Return one phrase for each attribute; an empty one where there are no communities."""
    return (
        f"LocalPref {attributes.local_pref}",
        f"next hop {attributes.next_hop}",
        _communities(attributes.communities or ()),
    )


def change_cells(before: Attributes | None, after: Attributes) -> tuple[str, str, str]:
    """Return one phrase for each attribute, with the old value where it changes.

    `LocalPref 100 -> 200`, `next hop 172.17.2.1`, `community none -> 65535:0`.
    """
    if before is None:
        return cells(after)
    return (
        f"LocalPref {_from_to(before.local_pref, after.local_pref)}",
        f"next hop {_from_to(before.next_hop, after.next_hop)}",
        _changed_communities(before.communities or (), after.communities or ()),
    )


def _from_to(before: object, after: object) -> str:
    return f"{after}" if before in (None, after) else f"{before} -> {after}"


def _communities(communities: Iterable[Community]) -> str:
    named = [f"{high}:{low}" for high, low in communities]
    if not named:
        return ""
    return f"{'community' if len(named) == 1 else 'communities'} {' '.join(named)}"


def _changed_communities(before: tuple[Community, ...], after: tuple[Community, ...]) -> str:
    if before == after:
        return _communities(after)
    old, new = (_communities(one).partition(" ")[2] or _NONE for one in (before, after))
    noun = "communities" if max(len(before), len(after)) > 1 else "community"
    return f"{noun} {old} -> {new}"
