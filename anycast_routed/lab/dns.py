"""DNS servers in a host: Unbound with static data, and NSD."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_UNBOUND_CONF = "/etc/unbound/unbound.conf"
_NSD_CONF = "/etc/nsd/nsd.conf"


class Dns:
    """A running DNS server: `daemon` is its process. NSD answers in children of that process.

    So `daemon.kill(whole=True)` and `daemon.pause(whole=True)` are what silences an NSD.
    """

    def __init__(self, host: Host, argv: Sequence[str], configs: Sequence[str], port: int) -> None:
        self.host = host
        self._argv = tuple(argv)
        self._configs = tuple(configs)
        self._port = port
        self.daemon = self._start()

    def _start(self) -> Daemon:
        daemon = self.host.start(*self._argv, configs=self._configs)
        # An open socket queues a question until it is answered, so this is as good as an answer.
        eventually(
            lambda: not daemon.alive or self.host.listens(self._port, protocol="udp"),
            within=10.0,
            every=0.002,
            why=f"{daemon.name} listens on port {self._port}",
        )
        daemon.check()
        return daemon

    def restart(self) -> None:
        """Kill the server, and start it again with its config files of now."""
        self.daemon.kill(whole=True)
        self.daemon = self._start()


def unbound(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    *,
    zones: Mapping[str, Sequence[str]] | None = None,
    address: Sequence[str] = ("127.0.0.1",),
    port: int = 53,
    threads: int = 1,
    identity: str = "",
    extra: str = "",
) -> Dns:
    """Start Unbound with these zones as its own data, and return when it listens.

    `zones` maps a name to records such as "www.google.com. 60 IN A 192.0.2.1"; a SOA and an NS
    record are added where there are none. The default is the zone "google.com.". Other names are
    not found (NXDOMAIN), and nothing is ever asked of any network. `address` may hold addresses
    that the host does not have yet. `identity` is the TXT answer to hostname.bind and id.server in
    class CH, and, when it is an IPv4 address, also the A record of "who.", so that a client can
    see which of several servers has answered. `extra` is text at the end of the config.

    Raises:
        LabError: Unbound ended, as it does when it refuses its config.
        LabUnavailableError: Unbound is not installed.
    """
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
    ]
    if identity:
        lines += [f'  identity: "{identity}"']
        if _is_ipv4(identity):
            lines += ['  local-zone: "who." static', f'  local-data: "who. 1 IN A {identity}"']
    else:
        lines += ["  hide-identity: yes"]
    for zone, records in _zones(zones).items():
        lines += [f'  local-zone: "{zone}" static']
        lines += [f"  local-data: '{record}'" for record in _complete(zone, records)]
    lines += ["remote-control:", "  control-enable: no", extra, ""]
    host.write(_UNBOUND_CONF, "\n".join(lines))
    argv = (find("unbound"), "-d", "-p", "-c", _UNBOUND_CONF)
    return Dns(host, argv, [_UNBOUND_CONF], port)


def nsd(
    host: Host,
    *,
    zones: Mapping[str, Sequence[str]] | None = None,
    address: Sequence[str] = ("127.0.0.1",),
    port: int = 53,
    identity: str = "",
) -> Dns:
    """Start NSD as the authoritative server of these zones, and return when it listens.

    The arguments are those of `unbound`; there is no "who.".

    Raises:
        LabError: NSD ended, as it does when it refuses its config.
        LabUnavailableError: NSD is not installed.
    """
    lines = [
        "server:",
        *(f"  ip-address: {one}" for one in address),
        f"  port: {port}",
        "  ip-freebind: yes",
        "  server-count: 1",
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
        "  control-enable: no",
    ]
    files = [_NSD_CONF]
    for number, (zone, records) in enumerate(_zones(zones).items()):
        file = f"/etc/nsd/{number}.zone"
        host.write(file, "".join(f"{record}\n" for record in _complete(zone, records)))
        lines += ["zone:", f'  name: "{zone}"', f'  zonefile: "{file}"']
        files.append(file)
    host.write(_NSD_CONF, "\n".join([*lines, ""]))
    return Dns(host, (find("nsd"), "-d", "-c", _NSD_CONF), files, port)


def _zones(zones: Mapping[str, Sequence[str]] | None) -> Mapping[str, Sequence[str]]:
    return {"google.com.": ()} if zones is None else zones


def _complete(zone: str, records: Sequence[str]) -> list[str]:
    if not zone.endswith("."):
        message = f"{zone!r} is not a full name of a zone"
        raise LabError(message, hint="end it with a dot")
    words = [record.upper().split() for record in records]
    added = []
    if not any("SOA" in record for record in words):
        added += [f"{zone} 60 IN SOA ns.{zone} hostmaster.{zone} 1 900 900 1800 60"]
    if not any("NS" in record for record in words):
        added += [f"{zone} 60 IN NS ns.invalid."]
    return added + list(records)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
