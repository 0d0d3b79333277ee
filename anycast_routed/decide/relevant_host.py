"""Reduce a host to what the plan and the findings of a config read of it.

Interfaces of containers and tunnels come and go all the time. What is left out here can change
neither a plan nor a finding, so a change of it is no reason to do anything.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from anycast_routed.decide.labels import label_start
from anycast_routed.model import Host

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import Address, HostAddress


class RelevantHost:
    """What one config reads of a host. The result depends on the config and the host alone.

    Only the addresses of the interfaces that the config names are remembered from call to call:
    with thousands of prefixes, to look at each of them after each change would take long.
    """

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
        self._latest: tuple[HostAddress, ...] = ()
        self._wanted = self._fixed
        self._kept: tuple[HostAddress, ...] = ()

    def of(self, host: Host) -> Host:
        """Return the host without what this config does not read.

        It reads: whether the interfaces that it names exist, and which of the next hops' are down;
        all addresses of the next hops' interfaces; and each address, on any interface, that has a
        label of a service, or that a service announces or asks.
        """
        named: list[HostAddress] = []
        others: list[HostAddress] = []
        for one in host.addresses:
            (named if one.interface in self._named else others).append(one)
        self._take(tuple(named))
        kept = [*self._kept, *(one for one in others if one.address.ip in self._wanted)]
        kept.sort(key=attrgetter("interface"))
        read = self._named | {one.interface for one in kept}
        return Host(
            host.interfaces & self._named,
            tuple(kept),
            host.down & self._hops,
            {name: vrf for name, vrf in host.vrfs.items() if name in read},
        )

    def _take(self, named: tuple[HostAddress, ...]) -> None:
        """Find what is wanted, if the addresses of the named interfaces have changed."""
        if named == self._latest:
            return
        self._latest = named
        labelled = [one for one in named if one.label.startswith(self._starts)]
        self._wanted = self._fixed | {one.address.ip for one in labelled}
        self._kept = tuple(one for one in named if self._reads(one))

    def _reads(self, address: HostAddress) -> bool:
        return address.interface in self._hops or address.address.ip in self._wanted
