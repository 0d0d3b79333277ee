"""Choose the static protocol and the table of each prefix. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import protocols
from anycast_routed.announce.bird.owned import symbol

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.model import Announcement, Plan, Prefix

_OWN = "anycast"
_MASTER = "master"
_ABOVE_DIRECT = 250
_MOST_ALONE = 16
"""The most prefixes of one service and family that have a protocol each."""


class Places:
    """Which protocol has which prefix, and in which table.

    Each prefix of a small service has its own protocol, so that each can be withdrawn alone, in
    whatever state the operator's config is. BIRD disables protocols one by one, which
    `python -m bench.protocols` measures, so the many prefixes of a large service share one.

    A protocol of the `current` text stays in its table, unless the sessions no longer take routes
    from there: in another one it would start anew. Texts of 0.1.0 have the routes for the
    operator's sessions in the master tables.
    """

    def __init__(self, plan: Plan, current: str, lost: Collection[Prefix]) -> None:
        self.table = _OWN if plan.sessions else _MASTER
        """The table from which the sessions take the routes, without its family."""
        self._usual = None if plan.sessions else _ABOVE_DIRECT
        tables = (self.table, _OWN) if protocols.pipes(current) else self.table
        running = [
            one
            for one in protocols.blocks(current)
            if one.table.startswith(tables) and not one.routes.issubset(lost)
        ]
        self._preferences = {one.name: one.preference for one in running}
        self._tables = {one.name: one.table for one in running}
        self._homes = {
            prefix: one.name
            for one in running
            for prefix in one.routes
            if prefix not in lost or one.preference == self._usual
        }
        every = (*plan.announcements, *plan.standby)
        self._count = Counter((one.service, one.prefix.version) for one in every)

    def preference(self, name: str) -> int | None:
        """Return the preference of a protocol; one whose routes are exported keeps its own.

        In the operator's tables ours must win against `protocol direct` (240), which has the
        address of each label too. Another preference would send the routes again.
        """
        return self._preferences.get(name, self._usual)

    def own_table(self, name: str, version: int) -> str:
        """Return the table of a protocol."""
        return self._tables.get(name, f"{_OWN}{version}")

    def of(self, one: Announcement) -> str:
        """Return the name of the protocol that has a prefix already, or will have it."""
        return self._homes.get(one.prefix) or self._new(one)

    def apart_from(self, taken: Collection[str], one: Announcement) -> str:
        """Return the same for a withheld prefix: `taken` are the protocols that announce.

        The empty string if there is none: its large service announces other prefixes.
        """
        for name in (self.of(one), self._new(one)):
            if name not in taken:
                return name
        return ""

    def _new(self, one: Announcement) -> str:
        version = one.prefix.version
        if self._count[one.service, version] > _MOST_ALONE:
            return f"anycast_{one.service.replace('-', '_')}_v{version}"
        # Two underscores, because no name of a service begins with one.
        return f"anycast__{symbol(one.prefix.network_address)}_v{version}"
