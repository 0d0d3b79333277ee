"""Report what of this host is not supported, and whose sockets get the queries to a server."""

from __future__ import annotations

import contextlib
import socket
from collections import defaultdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anycast_routed.decide.unsupported import (
    is_on_this_host,
    own_addresses,
    parts_in_vrfs,
    without_pulse,
)
from anycast_routed.model import Code, Finding
from anycast_routed.observe import sock_diag
from anycast_routed.reconcile import socket_users

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from anycast_routed.config import Config, Service
    from anycast_routed.model import Address, Announcement, Observed
    from anycast_routed.observe.sock_diag import Listener, Listeners

_LOOPBACK: Final = 1
"""The index of `lo` in every network namespace."""
_UNPRIVILEGED_FROM = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_USUALLY: Final = 1024


def of_host(config: Config, observed: Observed, *, daemon: bool) -> Iterator[Finding]:
    """Yield what is in a VRF, and with a daemon, which pulse does not run."""
    yield from parts_in_vrfs(config, observed)
    if daemon:
        yield from without_pulse(config, observed)


def of_sockets(
    config: Config, observed: Observed, announced: Iterable[Announcement]
) -> list[Finding]:
    """Return a finding for each server whose sockets are of two users, or only in a VRF.

    Its sockets are those that get the checks, and those that get the queries to the addresses that
    are announced for it. None where the kernel does not report sockets.
    """
    found: list[Finding] = []
    first, own = _unprivileged_from(), own_addresses(observed)
    read = cache(_on_port)  # many services may check the same port
    in_vrf = cache(partial(_is_in_vrf, observed.vrfs))
    addresses = _by_service(announced)
    for service in config.services:
        check = service.dns
        if not is_on_this_host(check, own):
            continue
        with contextlib.suppress(OSError):
            kinds = read(check.port)
            there = [one for kind in kinds for one in kind.reachable_at(check.ip)]
            sockets = [one for one in there if one.device in {0, _LOOPBACK}]
            found += _in_vrf(service, there, observed.vrfs) if not sockets else ()
            # A client's query comes in on any interface, so a socket may be bound to that one.
            reached = socket_users.by_owners(
                addresses[service.name], kinds, lambda one: not in_vrf(one.device)
            )
            checked, privileged = socket_users.owners(sockets), check.port < first
            if one := socket_users.finding(service, checked, reached, privileged=privileged):
                found.append(one)
    return found


def _by_service(announced: Iterable[Announcement]) -> defaultdict[str, list[Address]]:
    addresses: defaultdict[str, list[Address]] = defaultdict(list)
    for one in announced:
        addresses[one.service].append(one.prefix.network_address)
    return addresses


def _on_port(port: int) -> tuple[Listeners, Listeners]:
    """Return the sockets on a port that receive datagrams or accept connections. Raises OSError."""
    return sock_diag.listeners(port), sock_diag.accepting(port)


def _in_vrf(
    service: Service, sockets: Sequence[Listener], vrfs: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield a finding if the server listens in a VRF only."""
    for device in sorted({one.device for one in sockets}):
        with contextlib.suppress(OSError):
            name = socket.if_indextoname(device)
            if name in vrfs:
                at = f"the sockets on port {service.dns.port} are bound to {name} in VRF"
                detail = f"{at} {vrfs[name]}, and the check asks in the default VRF"
                fix = "run a DNS server in the default VRF: other VRFs are not supported"
                yield Finding(Code.VRF_NOT_SUPPORTED, f"DNS server of {service.name}", detail, fix)


def _is_in_vrf(vrfs: Mapping[str, str], device: int) -> bool:
    """Tell whether a socket that is bound to this interface gets packets of a VRF only."""
    if not device:
        return False
    try:
        return socket.if_indextoname(device) in vrfs
    except OSError:
        return True  # The interface is gone, so the socket gets nothing.


def _unprivileged_from() -> int:
    """Return the first port that any user can open."""
    try:
        return int(_UNPRIVILEGED_FROM.read_text("ascii"))
    except (OSError, ValueError):
        return _USUALLY
