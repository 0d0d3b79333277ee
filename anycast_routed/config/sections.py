"""The whole config file (`Config`), and the section of anycast-routed itself (`daemon`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from anycast_routed.config.names import PathValue
from anycast_routed.config.router_sections import Bgp, Router
from anycast_routed.config.section import Section
from anycast_routed.config.service_sections import Service


class Daemon(Section):
    """The files of anycast-routed itself."""

    on_stop: Literal["withdraw", "keep"] = Field(
        default="withdraw", description="What the daemon does with its announcements when it stops."
    )
    run_dir: PathValue = Field(
        default=Path("/run/anycast-routed"),
        description="Directory for the lock, the last verdicts and, with FRR, the loaded text; "
        "the default directory does not survive a reboot.",
    )
    state_dir: PathValue = Field(
        default=Path("/var/lib/anycast-routed"),
        description="Directory for what survives a reboot: drains, and the history of changes.",
    )


class Config(Section):
    """The whole file. A file with `dns` and `anycast` at the top has one service, named `dns`."""

    services: tuple[Service, ...] = Field(
        min_length=1,
        description="The services; a file with only one may have `dns` and `anycast` at the top.",
    )
    bgp: Bgp | None = Field(
        default=None,
        description="The BGP sessions; without this section the operator configures them.",
    )
    router: Router = Field(
        default=Router.model_construct(), description="The router that announces the prefixes."
    )
    daemon: Daemon = Field(
        default=Daemon.model_construct(), description="The files of anycast-routed itself."
    )
