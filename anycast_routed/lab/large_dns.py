"""Start DNS servers with large data, whose reload takes some time.

Some of them answer nothing while they read their data: the questions wait in the socket's queue,
and are answered afterwards.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from anycast_routed.lab import large_dns_config as config
from anycast_routed.lab.dns import Server
from anycast_routed.lab.dns import unbound as start_unbound
from anycast_routed.lab.programs import find
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anycast_routed.lab.host import Host

_PORT: Final = 53
_ADDRESS: Final = "127.0.0.1"
_WITHIN: Final = 60.0
"""Seconds that a reload may take on a busy machine."""


class LargeServer(ABC):
    """A running server with large data."""

    server: Server

    @abstractmethod
    def reload(self) -> None:
        """Make the server read all of its data again; return when it has done so."""


class _Started(LargeServer):
    """A server of which the lab has a command line and files."""

    def __init__(self, host: Host, *argv: str, files: Mapping[str, str]) -> None:
        self.host = host
        for path, text in files.items():
            host.write(path, text)
        self.server = Server(host, argv, [], _PORT)
        eventually(
            lambda: host.dig(f"@{_ADDRESS}", "google.com", "A") == config.ANSWER, within=_WITHIN
        )

    def _run(self, *argv: str) -> None:
        self.host.run(find(argv[0]), *argv[1:], within=_WITHIN)


class Unbound(LargeServer):
    """Unbound with many local zones."""

    def __init__(self, host: Host, zones: int = 60_000) -> None:
        self.host = host
        own = {"google.com.": (f"google.com. 60 IN A {config.ANSWER}",)}
        self.server = start_unbound(host, zones=own, extra=config.unbound(zones))

    def reload(self) -> None:
        """Reload by unbound-control."""
        find_conf = ("-c", "/etc/unbound/unbound.conf")
        self.host.run(find("unbound-control"), *find_conf, "reload", within=_WITHIN)


class Dnsmasq(_Started):
    """Dnsmasq with many hosts."""

    def __init__(self, host: Host, names: int = 80_000) -> None:
        argv = (
            find("dnsmasq"),
            "--keep-in-foreground",
            "--log-facility=-",
            "--conf-file=/dev/null",
        )
        own = (f"--listen-address={_ADDRESS}", "--bind-interfaces", "--no-resolv", "--user=root")
        data = ("--no-hosts", f"--addn-hosts={config.HOSTS}", "--pid-file=/run/dnsmasq.pid")
        super().__init__(host, *argv, *own, *data, files={config.HOSTS: config.hosts(names)})

    def reload(self) -> None:
        """Reload by SIGHUP."""
        mark = len(self.server.daemon.log().encode())
        self.server.daemon.signal(1)
        eventually(lambda: "names" in self.server.daemon.log(mark), within=_WITHIN)


class Bind(_Started):
    """BIND with many zones."""

    def __init__(self, host: Host, zones: int = 15_000) -> None:
        argv = (find("named"), "-g", "-c", "/etc/large/named.conf")
        super().__init__(host, *argv, files=config.bind(zones))

    def reload(self) -> None:
        """Reconfigure by rndc."""
        self._run("rndc", "-c", "/etc/large/rndc.conf", "reconfig")


class Nsd(_Started):
    """NSD with many zones."""

    def __init__(self, host: Host, zones: int = 15_000) -> None:
        argv = (find("nsd"), "-d", "-c", "/etc/large/nsd.conf")
        super().__init__(host, *argv, files=config.nsd(zones))

    def reload(self) -> None:
        """Reload all zones, whose file looks new, by nsd-control."""
        for file in config.nsd(0):
            self.host.path(file).touch()
        self._run("nsd-control", "-c", "/etc/large/nsd.conf", "reload")


class Knot(_Started):
    """Knot DNS with many zones."""

    def __init__(self, host: Host, zones: int = 10_000) -> None:
        argv = (find("knotd"), "-c", "/etc/large/knot.conf")
        super().__init__(host, *argv, files=config.knot(zones))

    def reload(self) -> None:
        """Reload the config and all zones, whose file looks new, by knotc."""
        for file in config.knot(0):
            self.host.path(file).touch()
        self._run("knotc", "-s", "/run/knot/knot.sock", "-b", "reload")


class Recursor(_Started):
    """PowerDNS Recursor with many hosts."""

    def __init__(self, host: Host, names: int = 80_000) -> None:
        argv = (find("pdns_recursor"), "--config-dir=/etc/large", "--socket-dir=/run/recursor")
        own = (f"--local-address={_ADDRESS}", "--daemon=no", "--disable-syslog=yes", "--threads=2")
        data = ("--export-etc-hosts=yes", f"--etc-hosts-file={config.HOSTS}")
        files = {config.HOSTS: config.hosts(names), "/run/recursor/.keep": ""}
        super().__init__(host, *argv, *own, *data, files=files)

    def reload(self) -> None:
        """Reload the hosts by rec_control."""
        self._run("rec_control", "--socket-dir=/run/recursor", "reload-zones")


class Kresd(_Started):
    """Knot Resolver with many hosts."""

    def __init__(self, host: Host, names: int = 80_000) -> None:
        argv = (find("kresd"), "-n", "-c", "/etc/large/kresd.conf", "/run/kresd")
        files = {
            "/etc/large/kresd.conf": config.kresd(),
            config.HOSTS: config.hosts(names),
            "/run/kresd/.keep": "",
        }
        super().__init__(host, *argv, files=files)

    def reload(self) -> None:
        """Read the hosts again, by the control socket."""
        directory = self.host.path("/run/kresd/control")
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(_WITHIN)
            control.connect(str(next(directory.iterdir())))
            control.sendall(f'hints.config("{config.HOSTS}")\n'.encode("ascii"))
            answer = b""
            while b"\n" not in answer and (part := control.recv(100)):
                answer += part


class Dnsdist(_Started):
    """Dnsdist with many names to block."""

    def __init__(self, host: Host, names: int = 30_000) -> None:
        argv = (
            find("dnsdist"),
            "--supervised",
            "--disable-syslog",
            "-C",
            "/etc/large/dnsdist.conf",
        )
        files = {"/etc/large/dnsdist.conf": config.dnsdist(), config.NAMES: config.names(names)}
        super().__init__(host, *argv, files=files)

    def reload(self) -> None:
        """Read the names again, by the console."""
        self._run("dnsdist", "-C", "/etc/large/dnsdist.conf", "-c", "-e", "load_names()")


SERVERS: Final[Mapping[str, Callable[[Host], LargeServer]]] = {
    "unbound": Unbound,
    "dnsmasq": Dnsmasq,
    "bind": Bind,
    "nsd": Nsd,
    "knot": Knot,
    "recursor": Recursor,
    "kresd": Kresd,
    "dnsdist": Dnsdist,
}
"""All of them, by name."""
