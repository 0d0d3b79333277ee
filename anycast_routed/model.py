"""The frozen values that flow: facts first, then a plan, then the router's read-back.

    CheckResult -> Health \
                           Observed -> Plan -> (the router) -> Readback
    HostAddress ---------/

Nothing here decides anything; every rule about these values lives in `decide`. The module is longer
than others because all values that flow stand in it, and nothing else does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.finding import Finding
    from anycast_routed.password import Password

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Prefix = IPv4Network | IPv6Network


def by_address(address: Address) -> tuple[int, int]:
    """Return the one sort key for addresses: IPv4 first, then by number."""
    return address.version, int(address)


class Outcome(StrEnum):
    """What one check has shown. UNKNOWN means that the check itself could not run."""

    PASS = "pass"  # nosec B105  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One question to one DNS server, answered or not. A failed check is a value with a reason."""

    outcome: Outcome
    reason: str
    """A short sentence for people: `SERVFAIL`, `no reply within 1 s`, `connection refused`."""
    rcode: str = ""
    """The rcode's mnemonic (RFC 1035 section 4.1.1), empty without a reply."""
    ede: tuple[str, ...] = ()
    """Extended DNS Errors of the reply (RFC 8914), such as `22 (No Reachable Authority): text`."""
    latency: float | None = None
    """Seconds from the answered transmission to its reply; None without a reply."""
    transmissions: int = 0
    transport: str = ""
    """`udp` or `tcp`: what the judged reply came over."""


class Verdict(StrEnum):
    """What rise and fall have made of the results so far. UNKNOWN: not decided yet."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class CheckKey(NamedTuple):
    """One check of one service: what facts, records and the status file are keyed by."""

    service: str
    check: str
    """The check's name within its service; `dns` is the only one so far."""


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict of one check, or of a whole service, and how far results lean against it."""

    verdict: Verdict = Verdict.UNKNOWN
    passes: int = 0
    """Passes in a row, counted up to `rise`."""
    fails: int = 0
    """Failures in a row, counted up to `fall`."""
    reason: str = "not checked yet"
    """The latest result's reason."""
    unknown_since: float | None = None
    """Monotonic seconds of the first of the latest run of checks that could not run."""
    ever_up: bool = False
    """It has been UP at some time of this boot: only such a service may be lowered when DOWN."""


@dataclass(frozen=True, slots=True)
class HostAddress:
    """One address of this host, as the kernel has it (rtnetlink(7), IFA_*)."""

    interface: str
    address: Interface
    label: str = ""
    """IFA_LABEL; always empty for IPv6, which has no labels."""
    scope: int = 0
    """RT_SCOPE_*: 0 is global, 253 link, 254 host."""
    secondary: bool = False
    deprecated: bool = False
    tentative: bool = False
    """IPv6 duplicate address detection is not through, or has failed."""
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """The interfaces and addresses of this host, at one moment."""

    interfaces: frozenset[str]
    addresses: tuple[HostAddress, ...]
    down: frozenset[str] = frozenset()
    """Interfaces that carry nothing: administratively down, or without a carrier (RFC 2863)."""


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
    """The address is on this host, so the kernel has a route to it."""
    note: str = ""
    """Why LocalPref is lower than configured; empty where it is not."""

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


@dataclass(frozen=True, slots=True)
class Held:
    """What the router has of ours now: its prefixes, and the services that they belong to."""

    prefixes: frozenset[Prefix] = frozenset()
    services: frozenset[str] = frozenset()

    @classmethod
    def of(cls, prefixes: Iterable[Prefix], plan: Plan) -> Held:
        """Find the services of prefixes that the router holds, with the help of any plan."""
        held = frozenset(prefixes)
        owners = [(one.prefix, one.service) for one in plan.announcements]
        owners += [(one.prefix, one.service) for one in plan.withheld if one.prefix]
        return cls(held, frozenset(service for prefix, service in owners if prefix in held))

    def __contains__(self, target: str) -> bool:
        return target in self.services or any(str(prefix) == target for prefix in self.prefixes)


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


@dataclass(frozen=True, slots=True)
class Route:
    """One of our prefixes, as the router holds or exports it."""

    prefix: Prefix
    attributes: Attributes

    @property
    def local_pref(self) -> int | None:
        """LocalPref; None if the router does not show one."""
        return self.attributes.local_pref

    @property
    def next_hop(self) -> Address | None:
        """The next hop; None if the router does not show one."""
        return self.attributes.next_hop


@dataclass(frozen=True, slots=True)
class Version:
    """The release of a router. What it does differently stands in the router's `releases`."""

    router: str
    """`BIRD` or `FRR`."""
    text: str
    """The release as the router writes it: `2.0.12`, `8.4.4`; empty if it does not say."""
    numbers: tuple[int, ...]
    """For comparisons: (2, 0, 12); empty if unknown."""
    silent_for: float
    """Seconds after a session comes up in which this release may export nothing."""

    def __str__(self) -> str:
        return f"{self.router} {self.text}".rstrip()


UNKNOWN_VERSION = Version("", "", (), 0.0)


@dataclass(frozen=True, slots=True)
class Readback:
    """What the router itself reports of our sessions and routes: the only proof."""

    router: str
    """Name and version: `BIRD 2.0.12`, `FRR 8.4.4`."""
    sessions: tuple[Session, ...]
    originated: tuple[Route, ...]
    """The routes that we have put into its tables."""
    exported: Mapping[Address, tuple[Route, ...]] = field(default_factory=dict)
    """For each Established session, by neighbor address: our routes that it exports there."""
    version: Version = UNKNOWN_VERSION
