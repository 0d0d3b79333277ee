"""The config files of the DNS servers of the lab, as text."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from anycast_routed.lab.zone_records import complete

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Unbound never queries 127.0.0.1, so it answers SERVFAIL for each name that it must forward there.
_FORWARD_TO_ITSELF = 'forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1'


def unbound(  # noqa: PLR0913 - one value each, all by name
    zones: Mapping[str, Sequence[str]],
    address: Sequence[str],
    *,
    port: int,
    threads: int,
    identity: str,
    control: str,
) -> str:
    """Return an unbound.conf. The arguments are those of `dns.unbound`; `control` is its socket."""
    lines = [
        "server:",
        '  directory: "/etc/unbound"',
        '  username: ""',
        '  chroot: ""',
        '  pidfile: "/run/unbound.pid"',
        "  use-syslog: no",
        '  logfile: ""',
        "  verbosity: 1",
        f"  num-threads: {threads}",
        f"  port: {port}",
        *(f"  interface: {one}" for one in address),
        "  ip-freebind: yes",
        "  access-control: 0.0.0.0/0 allow",
        "  access-control: ::/0 allow",
        '  module-config: "iterator"',
        '  local-zone: "." static',
        *_unbound_identity(identity),
        *_unbound_data(zones),
        "remote-control:",
        "  control-enable: yes",
        "  control-use-cert: no",
        f"  control-interface: {control}",
        _FORWARD_TO_ITSELF,
        "",
    ]
    return "\n".join(lines)


def _unbound_identity(identity: str) -> list[str]:
    if not identity:
        return ["  hide-identity: yes"]
    lines = [f'  identity: "{identity}"']
    if _is_ipv4(identity):
        lines += ['  local-zone: "who." static', f'  local-data: "who. 1 IN A {identity}"']
    return lines


def _unbound_data(zones: Mapping[str, Sequence[str]]) -> list[str]:
    lines = []
    for zone, records in zones.items():
        lines += [f'  local-zone: "{zone}" static']
        lines += [f"  local-data: '{record}'" for record in complete(zone, records)]
    return lines


def nsd(  # noqa: PLR0913 - one value each, all by name
    zones: Iterable[str],
    address: Sequence[str],
    *,
    port: int,
    workers: int,
    identity: str,
    control: str,
) -> str:
    """Return an nsd.conf. The arguments are those of `dns.nsd`; `control` is its socket."""
    lines = [
        "server:",
        *(f"  ip-address: {one}" for one in address),
        f"  port: {port}",
        "  ip-freebind: yes",
        f"  server-count: {workers}",
        f"  reuseport: {'yes' if workers > 1 else 'no'}",
        '  username: ""',
        '  database: ""',
        '  zonesdir: "/etc/nsd"',
        '  pidfile: "/run/nsd/nsd.pid"',
        '  xfrdfile: "/run/nsd/xfrd.state"',
        '  zonelistfile: "/run/nsd/zone.list"',
        '  xfrdir: "/run/nsd"',
        "  rrl-ratelimit: 0",
        f'  identity: "{identity}"' if identity else "  hide-identity: yes",
        "remote-control:",
        "  control-enable: yes",
        f"  control-interface: {control}",
        *(nsd_zone(zone) for zone in zones),
        "",
    ]
    return "\n".join(lines)


def nsd_file(zone: str) -> str:
    """Return the path, in the host, of the file with the records of `zone`."""
    return f"/etc/nsd/{zone}zone"


def nsd_zone(zone: str) -> str:
    """Return the entry of `zone` in nsd.conf."""
    return f'zone:\n  name: "{zone}"\n  zonefile: "{nsd_file(zone)}"'


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
