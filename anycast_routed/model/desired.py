"""What is observed about services, and the plan that is decided from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address

    from anycast_routed.model.check import CheckKey, Health
    from anycast_routed.model.finding import Finding
    from anycast_routed.model.host import Address, HostAddress, Prefix
    from anycast_routed.password import Password


@dataclass(frozen=True, slots=True)
class Flaps:
    """How often a service has gone down of late, as a neighbour would count it (RFC 2439)."""

    penalty: float = 0.0
    """The figure of merit at the time `at`; it halves with each half-life."""
    at: float = 0.0
    """Monotonic seconds of the latest withdrawal."""
    count: int = 0
    """Withdrawals since the penalty was last as good as nothing."""


class Stage(StrEnum):
    """How far a drain has come."""

    LOWERED = "lowered"
    """Announced with LocalPref 0 and the community GRACEFUL_SHUTDOWN (RFC 8326)."""
    OUT = "out"
    """Withdrawn."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A service or a prefix that its operator has taken out of use."""

    stage: Stage
    detail: str = ""
    """A sentence for people: the operator's reason, and until when."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a decision may rest on, at one moment."""

    checks: Mapping[CheckKey, Health]
    """The health of each check; `decide.service_state` combines those of one service."""
    interfaces: frozenset[str]
    addresses: tuple[HostAddress, ...]
    down: frozenset[str] = frozenset()
    """Interfaces that carry nothing."""
    vrfs: Mapping[str, str] = field(default_factory=dict)
    """The VRF of each interface that is in one."""
    drains: Mapping[str, Drain] = field(default_factory=dict)
    """By what is drained: the name of a service, or a prefix as text."""
    damped: Mapping[str, str] = field(default_factory=dict)
    """Services that are up and wait because of their flapping, each with a sentence for people."""


class Reason(StrEnum):
    """Why a prefix is withheld."""

    SERVICE_DOWN = "service-down"
    SERVICE_UNDECIDED = "service-undecided"
    DRAINED = "drained"
    DAMPED = "damped"
    INTERFACE_MISSING = "interface-missing"
    NO_NEXT_HOP = "no-next-hop"
    LOCAL_PREF_UNDERFLOW = "local-pref-underflow"
    DUPLICATE = "duplicate"
    BAD_LABEL = "bad-label"
    NOT_USABLE = "not-usable"
    BLACKHOLE = "blackhole"


class Permit(StrEnum):
    """Why a prefix may be announced whose address is not on this host, without a consent."""

    TOLERATED = "tolerated"
    """It was announced before a consent was needed: an upgrade must withdraw nothing."""
    KEPT_OUT = "kept-out"
    """The router was seen to keep its route out of the kernel."""


class BlackholeNeed(NamedTuple):
    """A prefix that the router would announce with a blackhole route in the kernel."""

    why: str
    """A sentence for people: why, and what to do."""
    certain: bool = True
    """False if the router does not say whether the route would reach the kernel."""


Community = tuple[int, int]
"""A BGP community as two 16-bit numbers (RFC 1997)."""

GRACEFUL_SHUTDOWN: Community = (65535, 0)
"""Asks the receiver to prefer any other path (RFC 8326)."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """The BGP path attributes of one route: those that a plan sets, or those that a router shows.

    A plan sets them all. What a router does not show is None.
    """

    local_pref: int | None = None
    next_hop: Address | None = None
    communities: tuple[Community, ...] | None = ()
    """Sorted, each once."""

    @property
    def graceful_shutdown(self) -> bool:
        """Whether the route carries GRACEFUL_SHUTDOWN."""
        return GRACEFUL_SHUTDOWN in (self.communities or ())


@dataclass(frozen=True, slots=True)
class Announcement:
    """One prefix that the router must export, with its attributes."""

    prefix: Prefix
    service: str
    source: str
    """Where the prefix comes from: a kernel label (`lo:dns1`) or the label of a route."""
    attributes: Attributes
    on_host: bool
    """The address is on this host with a host mask, so the kernel has a route for exactly it."""
    note: str = ""
    """Why LocalPref is lower than configured; empty where it is not."""
    blackhole: bool = False
    """The kernel may get a blackhole route for it: that is harmless, or the operator accepts it."""

    @property
    def local_pref(self) -> int | None:
        """LocalPref."""
        return self.attributes.local_pref

    @property
    def next_hop(self) -> Address | None:
        """The next hop."""
        return self.attributes.next_hop

    @property
    def graceful_shutdown(self) -> bool:
        """Whether the prefix is announced with GRACEFUL_SHUTDOWN."""
        return self.attributes.graceful_shutdown


@dataclass(frozen=True, slots=True)
class Withheld:
    """One prefix that must not be exported, and why."""

    prefix: Prefix | None
    """None if the prefix is unknown, because its interface does not exist."""
    service: str
    source: str
    reason: Reason
    detail: str
    """A sentence for people with the facts of this case."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One BGP neighbor from our config."""

    number: int
    """1, 2, ... in the order of the config, for messages that name the key."""
    address: Address
    asn: int
    description: str
    password: Password | None = None
    """Read from its file only for a rendering."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """The BGP sessions from our config."""

    local_as: int
    router_id: IPv4Address
    peers: tuple[Peer, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole desired state: the prefixes that the router must export for us, and no others."""

    services: tuple[str, ...]
    sessions: Sessions | None
    """None where the operator's own sessions export our prefixes."""
    announcements: tuple[Announcement, ...]
    """Sorted by prefix, IPv4 first; each prefix once."""
    withheld: tuple[Withheld, ...]
    warnings: tuple[Finding, ...] = ()
    standby: tuple[Announcement, ...] = ()
    """How the prefixes will be announced that only a verdict, a wait or a drain withholds now.

    With this a router can be prepared for their return. Sorted by prefix.
    """
