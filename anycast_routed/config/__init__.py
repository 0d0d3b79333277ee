"""The config file: `load` is the door, the sections are what comes through it."""

from anycast_routed.config.faults import Fault, InvalidConfigError
from anycast_routed.config.load import (
    DEFAULTS,
    VARIABLE,
    digest,
    load,
    load_with_digest,
    loads,
    locate,
)
from anycast_routed.config.sections import (
    Anycast,
    Bgp,
    BgpPeer,
    Config,
    Daemon,
    Dns,
    Router,
    Section,
    Service,
    StaticRoute,
)

__all__ = [
    "DEFAULTS",
    "VARIABLE",
    "Anycast",
    "Bgp",
    "BgpPeer",
    "Config",
    "Daemon",
    "Dns",
    "Fault",
    "InvalidConfigError",
    "Router",
    "Section",
    "Service",
    "StaticRoute",
    "digest",
    "load",
    "load_with_digest",
    "loads",
    "locate",
]
