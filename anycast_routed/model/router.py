"""What a router holds, exports and reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from anycast_routed.model.version import UNKNOWN_VERSION, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.model.desired import Attributes, Plan
    from anycast_routed.model.host import Address, Prefix


@dataclass(frozen=True)
class Held:
    """Our prefixes that the router holds now, and the services that they belong to."""

    prefixes: frozenset[Prefix] = frozenset()
    services: frozenset[str] = frozenset()
    exported: frozenset[Prefix] = frozenset()
    """Those that an Established session is sent."""
    exporting: frozenset[str] = frozenset()
    """The services of those."""
    sessions: frozenset[str] = frozenset()
    """The names of the Established sessions."""

    @classmethod
    def of(cls, readback: Readback, plan: Plan) -> Held:
        """Return what a read-back shows; any plan that knows the services will do."""
        sent = frozenset(one.prefix for routes in readback.exported.values() for one in routes)
        held = frozenset(one.prefix for one in readback.originated)
        return cls(held, exported=sent, sessions=frozenset(readback.exported)).under(plan)

    def under(self, plan: Plan) -> Held:
        """Return the same prefixes, with the services that they have in this plan."""
        owners = [(one.prefix, one.service) for one in plan.announcements]
        owners += [(one.prefix, one.service) for one in plan.withheld if one.prefix]
        found = [(prefix, service) for prefix, service in owners if prefix in self.prefixes]
        exporting = frozenset(service for prefix, service in found if prefix in self.exported)
        return replace(self, services=frozenset(one for _, one in found), exporting=exporting)

    @cached_property
    def targets(self) -> frozenset[str]:
        """What a drain order may name of them: the services, and the prefixes as text."""
        return self.services.union(map(str, self.prefixes))


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session as the router reports it."""

    name: str
    """The router's own name for the session: BIRD's protocol, FRR's neighbor."""
    address: Address
    remote_as: int
    ours: bool
    """The session comes from our config; the others are the operator's."""
    state: str
    """As the router words it: `Established`, `Active`, `Idle (Admin)`."""
    established: bool
    error: str = ""
    """Why the session ended or does not come up, as BIRD reports it; FRR does not report it."""
    families: frozenset[int] = frozenset({4, 6})
    """The address families that it carries while it is Established: 4, 6."""


@dataclass(frozen=True, slots=True)
class Route:
    """One of our prefixes, as the router holds or exports it."""

    prefix: Prefix
    attributes: Attributes
    covered: bool = False
    """An aggregate of the operator's covers it, so that the router sends the aggregate instead."""

    @property
    def local_pref(self) -> int | None:
        """LocalPref; None if the router does not show one."""
        return self.attributes.local_pref

    @property
    def next_hop(self) -> Address | None:
        """The next hop; None if the router does not show one."""
        return self.attributes.next_hop


@dataclass(frozen=True, slots=True)
class Origin:
    """A path to one of our prefixes that does not come from anycast-routed.

    The router announces it instead of the route of anycast-routed, or would announce it if
    anycast-routed withdrew its route.
    """

    prefix: Prefix
    made_by: str
    """What makes it, in the router's words: `protocol direct lo1`, `redistribute connected`."""
    peers: tuple[str, ...]
    """The router's names of the sessions that it is sent to; none while ours is sent there."""
    learned: bool = False
    """It comes from a BGP session: another router announces the prefix."""
    fix: str = ""
    """How to keep it away from the peers. It is safe also while the service is up."""


@dataclass(frozen=True, slots=True)
class Readback:
    """What the router itself reports of our sessions and routes: the only proof."""

    router: str
    """Name and version: `BIRD 2.0.12`, `FRR 8.4.4`."""
    sessions: tuple[Session, ...]
    originated: tuple[Route, ...]
    """The routes that we have put into its tables."""
    exported: Mapping[str, tuple[Route, ...]] = field(default_factory=dict)
    """For each Established session, by its name: our routes that it exports there."""
    version: Version = UNKNOWN_VERSION

    def exported_by_peer(self) -> dict[str, tuple[Route, ...]]:
        """Return the exports by neighbor address, or by name where two sessions have one address.

        The address of a link-local neighbor has its interface: fe80::1%eth0.
        """
        count = Counter(session.address for session in self.sessions)
        return {
            str(one.address) if count[one.address] == 1 else one.name: self.exported[one.name]
            for one in self.sessions
            if one.name in self.exported
        }
