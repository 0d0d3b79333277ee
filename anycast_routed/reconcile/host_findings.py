"""Report what of this host is not supported, and whose sockets get the queries to a server."""

from __future__ import annotations

import contextlib
import socket
from functools import cache
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
from anycast_routed.system.users import local_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anycast_routed.config import Config, Service
    from anycast_routed.model import Observed
    from anycast_routed.observe.sock_diag import Listener, Listeners

_ROOT: Final = 0
_LOOPBACK: Final = 1
"""The index of `lo` in every network namespace."""
_UNPRIVILEGED_FROM = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_USUALLY: Final = 1024


def of_host(config: Config, observed: Observed, *, daemon: bool) -> Iterator[Finding]:
    """Yield what is in a VRF, and with a daemon, which pulse does not run."""
    yield from parts_in_vrfs(config, observed)
    if daemon:
        yield from without_pulse(config, observed)


def of_sockets(config: Config, observed: Observed) -> list[Finding]:
    """Return a finding for each server whose sockets are of two users, or only in a VRF.

    None where the kernel does not report sockets.
    """
    found: list[Finding] = []
    first, own = _unprivileged_from(), own_addresses(observed)
    read = cache(_on_port)  # many services may check the same port
    for service in config.services:
        check = service.dns
        if not is_on_this_host(check, own):
            continue
        with contextlib.suppress(OSError):
            there = [one for kind in read(check.port) for one in kind.reachable_at(check.ip)]
            sockets = [one for one in there if one.device in {0, _LOOPBACK}]
            found += _in_vrf(service, there, observed.vrfs) if not sockets else ()
            if users := strangers(sockets, privileged=check.port < first):
                found.append(_of_users(service, users))
    return found


def strangers(sockets: Sequence[Listener], *, privileged: bool) -> tuple[int, ...]:
    """Return the users of the sockets if one of them may be a stranger to the server, else none.

    Many servers open sockets as root, and more as the user that they become then. So root and one
    other user are usual on a port that only root can open (`privileged`), and elsewhere in the
    same cgroup, which a service does not leave.
    """
    users = tuple(sorted({one.user for one in sockets}))
    others = [one for one in sockets if one.user != _ROOT]
    if len({one.user for one in others}) > 1:
        return users
    if len(users) == 1 or not others or privileged:
        return ()
    cgroups = {one.cgroup for one in sockets if one.user == _ROOT}
    return users if any(one.cgroup not in cgroups for one in others) else ()


def _on_port(port: int) -> tuple[Listeners, Listeners]:
    """Return the sockets on a port that receive datagrams or accept connections. Raises OSError."""
    return sock_diag.listeners(port), sock_diag.accepting(port)


def _of_users(service: Service, users: Sequence[int]) -> Finding:
    names = [f"{local_name(one)} (UID {one})" for one in users]
    at = f"{service.dns.ip} port {service.dns.port}"
    detail = f"sockets of {' and of '.join(names)} are bound to {at}: each of them may answer"
    fix = f"ss -lnptu 'sport = :{service.dns.port}' shows, as root, which process holds them"
    return Finding(Code.TWO_USERS, f"service {service.name}", detail, fix)


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


def _unprivileged_from() -> int:
    """Return the first port that any user can open."""
    try:
        return int(_UNPRIVILEGED_FROM.read_text("ascii"))
    except (OSError, ValueError):
        return _USUALLY
