"""Compare the BGP attributes that a router shows with the desired ones. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anycast_routed.model import Attributes, Community


def agree(shown: Attributes, desired: Attributes, *, crosses_as: bool = False) -> bool:
    """Return whether a route that the router shows has the desired attributes.

    Other communities, which an operator's own template may add, are accepted. GRACEFUL_SHUTDOWN
    is not: it must be there exactly where it is desired. Communities that the router does not
    show (None) prove nothing and contradict nothing.

    Args:
        shown: what the router shows.
        desired: what the plan asks for.
        crosses_as: the route is exported to another AS, where LocalPref is not sent
            (RFC 4271 section 5.1.5).
    """
    if shown == desired:
        return True
    return (
        (crosses_as or shown.local_pref == desired.local_pref)
        and shown.next_hop == desired.next_hop
        and not missing_communities(shown, desired)
        and not _superfluous(shown, desired)
    )


def missing_communities(shown: Attributes, desired: Attributes) -> list[Community]:
    """Return the desired communities that the router shows the route without."""
    if shown.communities is None:
        return []
    return [one for one in desired.communities or () if one not in shown.communities]


def _superfluous(shown: Attributes, desired: Attributes) -> bool:
    return shown.graceful_shutdown and not desired.graceful_shutdown
