"""Judge the paths to our prefixes that do not come from anycast-routed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.model import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from anycast_routed.model import Origin, Plan, Prefix


def managed(plan: Plan) -> tuple[Prefix, ...]:
    """Return every prefix that a plan announces or withholds, each once."""
    withheld = (one.prefix for one in plan.withheld if one.prefix is not None)
    return tuple(dict.fromkeys((*(one.prefix for one in plan.announcements), *withheld)))


def wanted(plan: Plan) -> frozenset[Prefix]:
    """Return the prefixes that a plan announces."""
    return frozenset(one.prefix for one in plan.announcements)


def still_announced(wanted: Collection[Prefix], origins: Iterable[Origin]) -> dict[Prefix, Origin]:
    """Return the prefixes that should be gone and that this host announces by other means.

    `wanted` are the prefixes that should not be gone.
    """
    return {
        one.prefix: one
        for one in origins
        if one.peers and not one.learned and one.prefix not in wanted
    }


def origin_findings(wanted: Collection[Prefix], origins: Iterable[Origin]) -> Iterator[Finding]:
    """Yield a finding for each path: an error only where the prefix should be gone.

    `wanted` are the prefixes that should not be gone. What other parts of the router's config do
    is reported and never answered by a withdrawal.
    """
    for one in origins:
        about, peers = str(one.prefix), ", ".join(one.peers)
        if one.learned:
            if peers:
                detail = f"another router announces it: {one.made_by} has it, and {peers} gets it"
                yield Finding(Code.ANNOUNCED_ELSEWHERE, about, detail)
        elif one.prefix not in wanted and peers:
            detail = f"it should be gone, but {one.made_by} of the router announces it to {peers}"
            yield Finding(Code.NOT_WITHDRAWN, about, detail, one.fix)
        elif peers:
            detail = (
                f"{one.made_by} announces it to {peers} in place of anycast-routed, "
                "and will when the service is down"
            )
            yield Finding(Code.ALSO_ANNOUNCED, about, detail, one.fix)
        else:
            detail = f"{one.made_by} will announce it when the service is down"
            yield Finding(Code.ALSO_ANNOUNCED, about, detail, one.fix)
