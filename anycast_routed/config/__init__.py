"""The config file: `load` reads it and returns a `Config`, which consists of sections."""

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
from anycast_routed.config.router_sections import Bgp, BgpPeer, Router
from anycast_routed.config.section import Section
from anycast_routed.config.sections import Config, Daemon
from anycast_routed.config.service_sections import Anycast, Dns, Service, StaticRoute

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
