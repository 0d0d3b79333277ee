"""DNS servers in a host: Unbound with static data, and NSD."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find
from anycast_routed.lab.waiting import eventually
from anycast_routed.lab.zone_records import all_zones, complete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_UNBOUND_CONF = "/etc/unbound/unbound.conf"
_UNBOUND_CONTROL = "/run/unbound.ctl"
_NSD_CONF = "/etc/nsd/nsd.conf"
_NSD_CONTROL = "/run/nsd/nsd.ctl"

# Unbound never asks a server on its own host, so a name that it must forward there is a SERVFAIL.
_FAILING = 'forward-zone:\n  name: "."\n  forward-addr: 127.0.0.1'


class Dns(ABC):
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

    @abstractmethod
    def servfail(self, zone: str) -> None:
        """Answer SERVFAIL to every question about this zone from now on, without a restart."""

    @abstractmethod
    def heal(self, zone: str) -> None:
        """End `servfail`."""


class Unbound(Dns):
    """A running Unbound. Its workers are threads, which nothing can stop one by one."""

    def servfail(self, zone: str) -> None:
        """Answer as a resolver does whose upstream is gone; it holds when this returns."""
        self._control("local_zone", zone, "always_transparent")

    def heal(self, zone: str) -> None:
        """Answer from the zone's own data again; it holds when this returns."""
        self._control("local_zone", zone, "static")

    def _control(self, *command: str) -> None:
        self.host.run(find("unbound-control"), "-c", _UNBOUND_CONF, *command)


class Nsd(Dns):
    """A running NSD, which forks: xfrd, its child the main process, and that one's workers."""

    def servfail(self, zone: str) -> None:
        """Answer as for a zone that cannot be loaded.

        For a few milliseconds the zone is REFUSED first. The workers are others afterwards.
        """
        conf = self.host.read(_NSD_CONF)
        before, entry, after = conf.partition(_nsd_zone(zone))
        if not entry:
            message = f"this NSD has no zone {zone}"
            raise LabError(message)
        # NSD keeps what it has loaded when the file goes, until the zone itself was gone.
        file = self.host.path(_nsd_file(zone))
        file.replace(file.with_suffix(".away"))
        for text in (before + after, conf):
            self.host.write(_NSD_CONF, text)
            self._control("reconfig")

    def heal(self, zone: str) -> None:
        """Load the zone again."""
        file = self.host.path(_nsd_file(zone))
        file.with_suffix(".away").replace(file)
        self._control("reload", zone)

    def workers(self) -> list[int]:
        """Return the PIDs, as seen from outside, of the processes that answer."""
        pids = self.daemon.descendants()
        return [pid for pid in pids if _title(pid).startswith("nsd: server")]

    def _control(self, *command: str) -> None:
        self.host.run(find("nsd-control"), "-c", _NSD_CONF, *command)


def unbound(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    *,
    zones: Mapping[str, Sequence[str]] | None = None,
    address: Sequence[str] = ("127.0.0.1",),
    port: int = 53,
    threads: int = 1,
    identity: str = "",
    extra: str = "",
) -> Unbound:
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
    for zone, records in all_zones(zones).items():
        lines += [f'  local-zone: "{zone}" static']
        lines += [f"  local-data: '{record}'" for record in complete(zone, records)]
    lines += ["remote-control:", "  control-enable: yes", "  control-use-cert: no"]
    lines += [f"  control-interface: {_UNBOUND_CONTROL}", _FAILING, extra, ""]
    host.write(_UNBOUND_CONF, "\n".join(lines))
    argv = (find("unbound"), "-d", "-p", "-c", _UNBOUND_CONF)
    return Unbound(host, argv, [_UNBOUND_CONF], port)


def nsd(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    *,
    zones: Mapping[str, Sequence[str]] | None = None,
    address: Sequence[str] = ("127.0.0.1",),
    port: int = 53,
    identity: str = "",
    workers: int = 1,
) -> Nsd:
    """Start NSD as the authoritative server of these zones, and return when it listens.

    The arguments are those of `unbound`; there is no "who.". Each of several `workers` has a socket
    of its own, and the kernel spreads the clients over them by their ports (SO_REUSEPORT).

    Raises:
        LabError: NSD ended, as it does when it refuses its config.
        LabUnavailableError: NSD is not installed.
    """
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
        f"  control-interface: {_NSD_CONTROL}",
    ]
    files = [_NSD_CONF]
    for zone, records in all_zones(zones).items():
        files.append(_nsd_file(zone))
        host.write(files[-1], "".join(f"{record}\n" for record in complete(zone, records)))
        lines.append(_nsd_zone(zone))
    host.write(_NSD_CONF, "\n".join([*lines, ""]))
    return Nsd(host, (find("nsd"), "-d", "-c", _NSD_CONF), files, port)


def _nsd_file(zone: str) -> str:
    return f"/etc/nsd/{zone}zone"


def _nsd_zone(zone: str) -> str:
    return f'zone:\n  name: "{zone}"\n  zonefile: "{_nsd_file(zone)}"'


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
