"""Reduce a host to what the plan and the findings of a config read of it.

Interfaces of containers and tunnels come and go all the time. What is left out here can change
neither a plan nor a finding, so a change of it is no reason to do anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.labels import label_start
from anycast_routed.model import Host

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import Address


class RelevantHost:
    """What one config reads of a host. The result depends on the config and the host alone."""

    def __init__(self, config: Config, asked: Iterable[Dns]) -> None:
        """`asked` are the checks that run: one that the config has no longer may still decide."""
        sections = [service.anycast for service in config.services]
        self._hops = frozenset(one.nexthop_interface for one in sections if one.nexthop_interface)
        self._named = self._hops | {one.interface for one in sections if one.interface}
        self._starts = tuple(start for one in sections if (start := label_start(one)))
        """How the label of a service's address starts; it begins with the interface's name."""
        routes = (route.ip.network_address for one in sections for route in one.routes)
        checks = (check.ip for check in asked)
        self._fixed: frozenset[Address] = frozenset((*routes, *checks))

    def of(self, host: Host) -> Host:
        """Return the host without what this config does not read.

        It reads: whether the interfaces that it names exist, and which of the next hops' are down;
        all addresses of the next hops' interfaces; and each address, on any interface, that has a
        label of a service, or that a service announces or asks.
        """
        labelled = {
            one.address.ip
            for one in host.addresses
            if one.interface in self._named and one.label.startswith(self._starts)
        }
        wanted = self._fixed | labelled
        kept = tuple(
            one for one in host.addresses if one.interface in self._hops or one.address.ip in wanted
        )
        read = self._named | {one.interface for one in kept}
        return Host(
            host.interfaces & self._named,
            kept,
            host.down & self._hops,
            {name: vrf for name, vrf in host.vrfs.items() if name in read},
        )
