"""The config file as frozen models. A key is its attribute's name with - for _.

The models hold what one key may say by itself; `rules` holds what keys may say together, and the
loader applies both. The descriptions are the ones of the JSON Schema and of the README's table.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from anycast_routed.config.addresses import (
    AsNumber,
    HostPrefix,
    NextHop4,
    NextHop6,
    PeerAddress,
    RouterId,
    ServerAddress,
)
from anycast_routed.config.names import (
    Description,
    DnsName,
    InterfaceName,
    LabelPrefix,
    PasswordFile,
    PathValue,
    Program,
    RouteLabel,
    RrType,
    ServiceName,
    SocketPath,
)
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


def key(attribute: str) -> str:
    """Give the key of an attribute: `fast_interval` is `fast-interval`, `as_` is `as`."""
    return attribute.rstrip("_").replace("_", "-")


class Section(BaseModel):
    """One section of the config file. Code may use the attributes' names to build one.

    Building pydantic's validators waits for the first use, and is then done once for all
    sections, because every cron run pays for it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=key,
        validate_by_alias=True,
        validate_by_name=True,
        defer_build=True,
    )


class Dns(Section):
    """The question that shows whether the DNS server serves."""

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
        description="Whether the daemon watches the server's sockets and processes between checks; "
        "by default where the server is on this host.",
    )
    pulse_interval: PulseInterval = Field(
        default=0.1, description="Time from one pulse of the daemon to the next, 10ms to 1h."
    )
    pid_file: PathValue | None = Field(
        default=None,
        description="PID file of the server, for a pulse that may not see who holds its sockets.",
    )
    on_fail: Literal["withdraw", "lower"] = Field(
        default="withdraw",
        description="What a service that was up gets when it goes down: withdrawn, or lowered to "
        "`floor`.",
    )
    half_life: HalfLife = Field(
        default=900.0,
        description="Half-life of the penalty that keeps a flapping service withdrawn (RFC 2439), "
        "at most 24h; 0 turns it off.",
    )


class StaticRoute(Section):
    """One prefix to announce which is not found by its label."""

    label: RouteLabel = Field(description="Name of the route in messages and in the status.")
    ip: HostPrefix = Field(description="Prefix to announce: one address as a /32 or a /128.")
    localpref: LocalPref | None = Field(
        default=None, description="LocalPref of this route; the section's `localpref` by default."
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
        default=(), description="Prefixes to announce beside the labelled addresses."
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
    """One service: a check, and what it holds up."""

    name: ServiceName = Field(description="Name of the service, unique in the file.")
    dns: Dns = Field(description="The check of this service.")
    anycast: Anycast = Field(description="The prefixes of this service.")

    @property
    def checks(self) -> dict[str, Dns]:
        """The checks of this service by name; one DNS check so far."""
        return {"dns": self.dns}


class BgpPeer(Section):
    """One BGP neighbor."""

    ip: PeerAddress = Field(description="Address of the peer.")
    description: Description = Field(
        default="", description="Text about the peer, at most 80 characters."
    )
    as_: AsNumber = Field(description="AS number of the peer.")
    password_file: PasswordFile | None = Field(
        default=None,
        description="File with the password of the session (TCP MD5, RFC 2385), or the name of a "
        "systemd credential; no password by default.",
    )


class Bgp(Section):
    """The BGP sessions. Without this section they are the operator's own."""

    id: RouterId = Field(description="BGP identifier of this router, an IPv4 address.")
    as_: AsNumber = Field(description="AS number of this router.")
    peers: tuple[BgpPeer, ...] = Field(
        min_length=1, description="The neighbors to announce the prefixes to, at least one."
    )


class Router(Section):
    """The router that is told, and where it lives."""

    daemon: Literal["auto", "bird", "frr"] = Field(
        default="auto", description="The router to use; `auto` takes the one that runs."
    )
    control_socket: SocketPath = Field(
        default=Path("/run/bird/bird.ctl"), description="BIRD: its control socket."
    )
    config_file: PathValue = Field(
        default=Path("/etc/bird/bird.conf"), description="BIRD: its own config file."
    )
    include_file: PathValue = Field(
        default=Path("/run/anycast-routed/bird.conf"),
        description="BIRD: the file that is written here and included by its config file.",
    )
    vty_dir: PathValue = Field(
        default=Path("/var/run/frr"), description="FRR: the folder of its daemons' sockets."
    )
    vtysh: Program = Field(
        default="vtysh", description="FRR: the vtysh program, by name or by absolute path."
    )
    template_dir: PathValue | None = Field(
        default=None, description="Folder with templates that replace the built-in ones."
    )


class Daemon(Section):
    """The files of anycast-routed itself."""

    on_stop: Literal["withdraw", "keep"] = Field(
        default="withdraw", description="What is done with the announcements when the daemon stops."
    )
    run_dir: PathValue = Field(
        default=Path("/run/anycast-routed"), description="Folder for locks and for state."
    )
    state_dir: PathValue = Field(
        default=Path("/var/lib/anycast-routed"),
        description="Folder for what outlives a boot: drains, and the history of changes.",
    )


class Config(Section):
    """The whole file. The seed form, `dns` and `anycast` at the top, is one service named `dns`."""

    services: tuple[Service, ...] = Field(
        min_length=1,
        description="The services; a file with only one may have `dns` and `anycast` at the top.",
    )
    bgp: Bgp | None = Field(
        default=None, description="The BGP sessions to bring; without it they are the operator's."
    )
    router: Router = Field(default=Router.model_construct(), description="The router that is told.")
    daemon: Daemon = Field(
        default=Daemon.model_construct(), description="The files of anycast-routed itself."
    )
