"""Judge the paths to our prefixes that do not come from anycast-routed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.model import Code, Finding, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anycast_routed.model import Origin, Plan, Prefix

_TO_BE_GONE = frozenset(
    (Reason.SERVICE_DOWN, Reason.SERVICE_UNDECIDED, Reason.DRAINED, Reason.DAMPED)
)
"""The reasons to withhold a prefix that nobody else may announce either."""
_OF_HEALTHY = frozenset((Reason.BLACKHOLE, Reason.NO_NEXT_HOP, Reason.INTERFACE_MISSING))
"""Why the prefix of a service that is in use is withheld, but not for its candidate's own fault."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The prefixes that clients should reach: nothing that announces them is an error."""

    announced: frozenset[Prefix] = frozenset()
    """The prefixes that a plan announces."""
    impeded: frozenset[Prefix] = frozenset()
    """Those that it withholds although their service is up: because of the router, say."""

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self.announced or prefix in self.impeded


def managed(plan: Plan) -> tuple[Prefix, ...]:
    """Return every prefix that a plan announces or withholds, each once."""
    withheld = (one.prefix for one in plan.withheld if one.prefix is not None)
    return tuple(dict.fromkeys((*(one.prefix for one in plan.announcements), *withheld)))


def wanted(plan: Plan) -> Wanted:
    """Return the prefixes that clients should reach.

    Several candidates can have one prefix. It belongs to one of them: where that one is impeded,
    the others do not count, and where its service is down, a duplicate does not keep the prefix.
    """
    announced = frozenset(one.prefix for one in plan.announcements)
    reasons: dict[Prefix, set[Reason]] = {}
    for one in plan.withheld:
        if one.prefix is not None and one.prefix not in announced:
            reasons.setdefault(one.prefix, set()).add(one.reason)
    impeded = (
        prefix for prefix, why in reasons.items() if why & _OF_HEALTHY or not why & _TO_BE_GONE
    )
    return Wanted(announced, frozenset(impeded))


def still_announced(wanted: Wanted, origins: Iterable[Origin]) -> dict[Prefix, Origin]:
    """Return the prefixes that should be gone and that this host announces by other means."""
    return {
        one.prefix: one
        for one in origins
        if one.peers and not one.learned and one.prefix not in wanted
    }


def origin_findings(wanted: Wanted, origins: Iterable[Origin]) -> Iterator[Finding]:
    """Yield a finding for each path: an error only where the prefix should be gone.

    What other parts of the router's config do is reported and never answered by a withdrawal.
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
            yield Finding(Code.ALSO_ANNOUNCED, about, detail, _fix(wanted, one))
        else:
            detail = f"{one.made_by} will announce it when the service is down"
            yield Finding(Code.ALSO_ANNOUNCED, about, detail, _fix(wanted, one))


def _fix(wanted: Wanted, one: Origin) -> str:
    """Return the fix; where ours is impeded, the other path alone keeps the address reachable."""
    if one.fix and one.prefix in wanted.impeded:
        return f"but not before anycast-routed announces it: {one.fix}"
    return one.fix
