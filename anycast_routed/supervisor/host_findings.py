"""Keep what of this host is not supported, and look at the DNS servers' sockets now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.reconcile.host_findings import of_host, of_sockets

if TYPE_CHECKING:
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Announcement, Finding, Plan

_EVERY = 10.0  # seconds from one look at the sockets to the next


class HostFindings:
    """The findings about this host; only the sockets are remembered from look to look."""

    def __init__(self) -> None:
        self._of_sockets: tuple[Finding, ...] = ()
        self._next_look = 0.0
        self._announced: tuple[Announcement, ...] = ()

    def take(self, plan: Plan) -> None:
        """Take the plan that the router is known to run."""
        self._announced = plan.announcements

    def look(self, facts: Facts, at: float) -> tuple[Finding, ...]:
        """Return the findings at this monotonic time."""
        config, observed = facts.config, facts.observed(at)
        if at >= self._next_look:
            self._next_look = at + _EVERY
            self._of_sockets = tuple(of_sockets(config, observed, self._announced))
        return (*of_host(config, observed, daemon=True), *self._of_sockets)
