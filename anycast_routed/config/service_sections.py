"""The sections of one service: its check (`dns`) and its prefixes (`anycast`).

Each model holds what one key may have by itself; `rules` holds what several keys may have together.
The descriptions appear in the JSON Schema and in docs/config.md.
"""

from typing import Literal

from pydantic import Field

from anycast_routed.config.addresses import HostPrefix, NextHop4, NextHop6, ServerAddress
from anycast_routed.config.names import (
    DnsName,
    InterfaceName,
    LabelPrefix,
    PathValue,
    RouteLabel,
    RrType,
    ServiceName,
)
from anycast_routed.config.section import Section
from anycast_routed.config.values import (
    Count,
    DrainTime,
    Flag,
    HalfLife,
    Interval,
    LocalPref,
    Port,
    PulseInterval,
    Timeout,
)

SINGLE_SERVICE = ("dns", "anycast")
"""The keys of a service that a file with only one service may have at the top."""


class Dns(Section):
    """The DNS query that checks the server."""

    ip: ServerAddress = Field(description="Address of the DNS server to check.")
    port: Port = Field(default=53, description="Port of the DNS server, as a number or as text.")
    query: DnsName = Field(description="Name to ask for; the trailing dot is optional.")
    rrtype: RrType = Field(default="SOA", description="Record type to ask for.")
    timeout: Timeout = Field(
        default=1.0, description="Time within which the reply must arrive, at most 60s."
    )
    interval: Interval = Field(
        default=1.0,
        description="Time from one check of the daemon to the next, 1ms to 1h; "
        "a run of `apply` does not use it.",
    )
    fast_interval: Interval = Field(
        default=0.1, description="Time from one check to the next while the verdict is undecided."
    )
    rise: Count = Field(
        default=2, description="Passed checks in a row after which the service is up, 1 to 100."
    )
    fall: Count = Field(
        default=2, description="Failed checks in a row after which the service is down, 1 to 100."
    )
    pulse: Flag | None = Field(
        default=None,
        description="Whether the pulse runs; by default, it runs if the server is on this host.",
    )
    pulse_interval: PulseInterval = Field(
        default=0.1, description="Time from one question of the pulse to the next, 10ms to 1h."
    )
    pid_file: PathValue | None = Field(
        default=None,
        description="PID file of the server, if the pulse cannot see the owner of its sockets.",
    )
    on_fail: Literal["withdraw", "lower"] = Field(
        default="withdraw",
        description="What to do when a service that was up goes down: withdraw its prefixes, or "
        "lower their LocalPref to `floor`.",
    )
    half_life: HalfLife = Field(
        default=900.0,
        description="Half-life of the penalty that keeps a flapping service withdrawn (RFC 2439), "
        "at most 24h; 0 turns it off.",
    )


class StaticRoute(Section):
    """One prefix to announce that is not the address of a label."""

    label: RouteLabel = Field(description="Name of the route in messages and in the status.")
    ip: HostPrefix = Field(description="Prefix to announce: one address as a /32 or a /128.")
    localpref: LocalPref | None = Field(
        default=None, description="LocalPref of this route; by default `localpref` of the section."
    )
    blackhole: Flag = Field(
        default=False,
        description="Accept a blackhole route for the address in the kernel, where the router "
        "needs one because the address is not on this host.",
    )


class Anycast(Section):
    """The prefixes to announce while the service is up, and their attributes."""

    interface: InterfaceName | None = Field(
        default=None, description="Interface whose labelled IPv4 addresses are announced."
    )
    prefix: LabelPrefix | None = Field(
        default=None,
        description="What the label of an address must start with, after the interface and colon.",
    )
    localpref: LocalPref = Field(
        default=100, description="LocalPref of the first labelled address, 0 to 4294967295."
    )
    decrease: LocalPref = Field(
        default=0, description="How much lower the LocalPref of each next labelled address is."
    )
    nexthop_interface: InterfaceName | None = Field(
        default=None, description="Interface whose global addresses are the next hops."
    )
    next_hop_ipv4: NextHop4 | None = Field(
        default=None, description="Next hop of IPv4 prefixes, instead of the interface's address."
    )
    next_hop_ipv6: NextHop6 | None = Field(
        default=None, description="Next hop of IPv6 prefixes, instead of the interface's address."
    )
    routes: tuple[StaticRoute, ...] = Field(
        default=(), description="Prefixes to announce in addition to the labelled addresses."
    )
    floor: LocalPref = Field(
        default=0, description="LocalPref while the service is down and `on-fail` is `lower`."
    )
    drain_time: DrainTime = Field(
        default=5.0,
        description="Time for which a drained prefix is announced with LocalPref 0 before it is "
        "withdrawn, at most 1h.",
    )


class Service(Section):
    """One service: a check, and the prefixes that depend on it."""

    name: ServiceName = Field(description="Name of the service, unique in the file.")
    dns: Dns = Field(description="The check of this service.")
    anycast: Anycast = Field(description="The prefixes of this service.")

    @property
    def checks(self) -> dict[str, Dns]:
        """The checks of this service by name; one DNS check so far."""
        return {"dns": self.dns}
