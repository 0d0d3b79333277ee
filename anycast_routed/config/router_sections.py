"""The sections of the router (`router`) and of its BGP sessions (`bgp`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from anycast_routed.config.addresses import AsNumber, PeerAddress, RouterId
from anycast_routed.config.names import (
    Description,
    PasswordFile,
    PathValue,
    Program,
    SocketPath,
)
from anycast_routed.config.section import Section


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
    """The BGP sessions of this router. Without this section the operator configures them."""

    id: RouterId = Field(description="BGP identifier of this router, an IPv4 address.")
    as_: AsNumber = Field(description="AS number of this router.")
    peers: tuple[BgpPeer, ...] = Field(
        min_length=1, description="The neighbors to announce the prefixes to, at least one."
    )
    other_neighbors: Literal["warn", "accept"] = Field(
        default="warn",
        description="FRR: whether your own neighbors in the same BGP instance, which get the "
        "prefixes too, are worth a warning.",
    )


class Router(Section):
    """The routing daemon on this host, and the paths of its files."""

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
        description="BIRD: anycast-routed writes its routes and sessions to this file, "
        "and bird.conf includes it.",
    )
    vty_dir: PathValue = Field(
        default=Path("/var/run/frr"), description="FRR: the directory of its daemons' sockets."
    )
    vtysh: Program = Field(
        default="vtysh", description="FRR: the vtysh program, by name or by absolute path."
    )
    template_dir: PathValue | None = Field(
        default=None, description="Directory with templates that replace the built-in ones."
    )
