"""Start DNS servers in a host of the lab: Unbound with static data, and NSD."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.lab import dns_config
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find
from anycast_routed.lab.waiting import eventually
from anycast_routed.lab.zone_records import complete, or_default

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

_UNBOUND_CONF = "/etc/unbound/unbound.conf"
_UNBOUND_CONTROL = "/run/unbound.ctl"
_NSD_CONF = "/etc/nsd/nsd.conf"
_NSD_CONTROL = "/run/nsd/nsd.ctl"


class Server:
    """A running DNS server. `daemon` is its process.

    Some answer in child processes: `daemon.kill(whole=True)` and `daemon.pause(whole=True)` stop
    the answers of all.
    """

    def __init__(self, host: Host, argv: Sequence[str], configs: Sequence[str], port: int) -> None:
        self.host = host
        self._argv = tuple(argv)
        self._configs = tuple(configs)
        self._port = port
        self.daemon = self._start()

    def _start(self) -> Daemon:
        daemon = self.host.start(*self._argv, configs=self._configs)
        # An open socket queues a question until the server answers it, so no question is lost.
        daemon.wait_ready(
            lambda: self.host.listens(self._port, protocol="udp"),
            within=30.0,
            every=0.002,
            why=f"listens on port {self._port}",
        )
        return daemon

    def restart(self) -> None:
        """Kill the server and start it again with its current config files."""
        self.daemon.kill(whole=True)
        self.daemon = self._start()


class Dns(Server, ABC):
    """A server with static data that can be made to answer SERVFAIL."""

    @abstractmethod
    def servfail(self, zone: str) -> None:
        """Make the server answer SERVFAIL for every name in `zone`, without a restart."""

    @abstractmethod
    def heal(self, zone: str) -> None:
        """Undo `servfail`."""


class Unbound(Dns):
    """A running Unbound. Its workers are threads, which cannot be stopped one by one."""

    def servfail(self, zone: str) -> None:
        """Make Unbound answer like a resolver without upstream; in effect on return."""
        self._control("local_zone", zone, "always_transparent")

    def heal(self, zone: str) -> None:
        """Make Unbound answer from the data of the zone again; in effect on return."""
        self._control("local_zone", zone, "static")

    def _control(self, *command: str) -> None:
        _control(self.host, find("unbound-control"), "-c", _UNBOUND_CONF, *command)


class Nsd(Dns):
    """A running NSD: the process xfrd, its child the main process, and the workers of that one."""

    def servfail(self, zone: str) -> None:
        """Make NSD answer like for a zone that it cannot load.

        For a few milliseconds NSD answers REFUSED first. Afterwards it has new worker processes.

        Raises:
            LabError: this NSD does not serve `zone`.
        """
        conf = self.host.read(_NSD_CONF)
        before, entry, after = conf.partition(dns_config.nsd_zone(zone))
        if not entry:
            message = f"this NSD has no zone {zone}"
            raise LabError(message)
        # When only the file is removed, NSD keeps its loaded data: also remove and add the zone.
        file = self.host.path(dns_config.nsd_file(zone))
        file.replace(file.with_suffix(".away"))
        for text in (before + after, conf):
            self.host.write(_NSD_CONF, text)
            self._control("reconfig")

    def heal(self, zone: str) -> None:
        """Make NSD load the zone again."""
        file = self.host.path(dns_config.nsd_file(zone))
        file.with_suffix(".away").replace(file)
        self._control("reload", zone)

    def workers(self) -> list[int]:
        """Return the PIDs, as seen from outside the host, of the processes that answer."""
        pids = self.daemon.descendants()
        return [pid for pid in pids if _title(pid).startswith("nsd: server")]

    def _control(self, *command: str) -> None:
        _control(self.host, find("nsd-control"), "-c", _NSD_CONF, *command)


def _control(host: Host, *argv: str) -> None:
    """Run a control program; right after a start the server may refuse its connection."""
    eventually(lambda: host.run(*argv), within=10.0, every=0.05, why=" ".join(argv))


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
    """Start Unbound with these zones as its own data; return when it listens.

    `zones` maps a zone to records such as "www.google.com. 60 IN A 192.0.2.1"; missing SOA and NS
    records are added. The default is the zone "google.com.". Unbound answers NXDOMAIN for other
    names and sends no queries to any network. `address` may contain addresses that the host does
    not have yet. `identity` is the TXT answer to hostname.bind and id.server in class CH and, if it
    is an IPv4 address, also the A record of "who.": a client then sees which of several servers
    answered. `extra` is text at the end of the config.

    Raises:
        LabError: Unbound ended, for example because it refused its config.
        LabUnavailableError: Unbound is not installed.
    """
    config = dns_config.unbound(
        or_default(zones),
        address,
        port=port,
        threads=threads,
        identity=identity,
        control=_UNBOUND_CONTROL,
    )
    host.write(_UNBOUND_CONF, f"{config}{extra}\n")
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
    """Start NSD as the authoritative server of these zones; return when it listens.

    The arguments are those of `unbound`; NSD has no "who.". Each of several `workers` has its own
    socket, and the kernel chooses one of them by the port of the client (SO_REUSEPORT).

    Raises:
        LabError: NSD ended, for example because it refused its config.
        LabUnavailableError: NSD is not installed.
    """
    served = or_default(zones)
    config = dns_config.nsd(
        served, address, port=port, workers=workers, identity=identity, control=_NSD_CONTROL
    )
    host.write(_NSD_CONF, config)
    files = [_NSD_CONF]
    for zone, records in served.items():
        files.append(dns_config.nsd_file(zone))
        host.write(files[-1], "".join(f"{record}\n" for record in complete(zone, records)))
    return Nsd(host, (find("nsd"), "-d", "-c", _NSD_CONF), files, port)


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""
