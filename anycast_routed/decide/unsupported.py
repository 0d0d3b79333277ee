"""Name what is not supported on this host: VRFs, and the pulse of a DNS server elsewhere. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from anycast_routed.decide.candidates import candidates
from anycast_routed.model import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from anycast_routed.config import Config, Dns, Service
    from anycast_routed.model import Address, Host, Observed

_NAMED = 3
"""How many addresses a sentence names."""


def parts_in_vrfs(config: Config, observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each service with a part in a VRF; it changes nothing in the plan."""
    vrfs = _vrfs_of_addresses(observed) if observed.vrfs else {}
    own: dict[str, list[Address]] = defaultdict(list)
    for one in candidates(config, observed) if vrfs else ():
        if one.prefix.network_address in vrfs:
            own[one.service].append(one.prefix.network_address)
    for service in config.services:
        parts = [
            *_interfaces_in_vrfs(service, observed),
            *_addresses_in_vrfs(own[service.name], vrfs),
        ]
        if service.dns.ip in vrfs:
            where = f"VRF {vrfs[service.dns.ip]}"
            parts.append(f"the address {service.dns.ip} of the DNS server is in {where}")
        if parts:
            detail = f"only the default VRF is supported: {', '.join(parts)}"
            fix = "name interfaces and addresses of the default VRF"
            yield Finding(Code.VRF_NOT_SUPPORTED, f"service {service.name}", detail, fix)


def without_pulse(config: Config, observed: Observed) -> Iterator[Finding]:
    """Yield a finding for each service whose pulse a daemon does not run, unless that is ordered.

    The server is not on this host.
    """
    own = own_addresses(observed)
    for service in config.services:
        if service.dns.pulse is None and not is_on_this_host(service.dns, own):
            yield _elsewhere(service)


def own_addresses(host: Host | Observed) -> frozenset[Address]:
    """Return all addresses of this host."""
    return frozenset(one.address.ip for one in host.addresses)


def is_on_this_host(check: Dns, own: Collection[Address]) -> bool:
    """Tell whether the server's address is one of these addresses of this host, or loopback."""
    return check.ip.is_loopback or check.ip in own


def _elsewhere(service: Service) -> Finding:
    where = "it is in a container, in another network namespace, or on another host"
    detail = f"the DNS server {service.dns.ip} is not on this host ({where}), so the pulse does"
    detail = f"{detail} not run, and the checks alone decide"
    fix = "route or translate the announced addresses to it; with dns.pulse = false this note ends"
    return Finding(Code.SERVER_ELSEWHERE, f"service {service.name}", detail, fix)


def _vrfs_of_addresses(observed: Observed) -> dict[Address, str]:
    """Return the VRF of each address that stands on interfaces in VRFs only."""
    default = {one.address.ip for one in observed.addresses if one.interface not in observed.vrfs}
    return {
        one.address.ip: observed.vrfs[one.interface]
        for one in observed.addresses
        if one.address.ip not in default
    }


def _interfaces_in_vrfs(service: Service, observed: Observed) -> Iterator[str]:
    anycast = service.anycast
    for key, name in (
        ("interface", anycast.interface),
        ("nexthop-interface", anycast.nexthop_interface),
    ):
        if name is not None and name in observed.vrfs:
            yield f"{key} {name} is in VRF {observed.vrfs[name]}"


def _addresses_in_vrfs(own: list[Address], vrfs: dict[Address, str]) -> Iterator[str]:
    for address in own[:_NAMED]:
        yield f"{address} is in VRF {vrfs[address]}"
    if len(own) > _NAMED:
        yield f"and {len(own) - _NAMED} more addresses"
