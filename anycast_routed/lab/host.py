"""One host of a lab: run commands, start daemons, read and write files, set up interfaces."""

from __future__ import annotations

import contextlib
import re
import shlex
from functools import partial
from typing import IO, TYPE_CHECKING

from anycast_routed.errors import CommandError
from anycast_routed.lab.daemon import Daemon, start_process
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.host_namespaces import HostNamespaces
from anycast_routed.lab.programs import find
from anycast_routed.system.commands import Completed, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from anycast_routed.lab.bgp_routes import Family
    from anycast_routed.lab.daemon import Process

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LISTEN = "0A"  # TCP_LISTEN, and 07 is an unconnected UDP socket: include/net/tcp_states.h
_UNCONNECTED = "07"

# With a second command the shell does not replace itself with the first command.
_WAITING_SHELL = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


class Host:
    """A host with its own network, processes, name, /etc, /run and /var/tmp.

    The host shares everything else (programs, /tmp, /home) with the machine. Default paths of
    daemons, such as /run/bird/bird.ctl and /etc/frr/frr.conf, work unchanged and are private to the
    host. The private files are in memory and are deleted when the host closes.
    """

    def __init__(self, name: str, release: str | None = None) -> None:
        if not _NAME.fullmatch(name):
            message = f"{name!r} is not a valid host name"
            raise LabError(message, hint="use lower-case letters, digits and hyphens, at most 63")
        self.name = name
        self.daemons: list[Daemon] = []
        self._ip = find("ip")
        self._namespaces = HostNamespaces(name, release)
        self._enter = [find("nsenter"), "-t", str(self.pid), "-n", "-m", "-p", "-u"]
        # A background job of a script ignores SIGINT and its children inherit that: reset signals.
        self._killed_with_parent = [
            *(find("setpriv"), "--pdeathsig", "KILL"),
            *(find("env"), "--default-signal"),
        ]

    @property
    def pid(self) -> int:
        """The PID, as seen from outside, of the init process of the host."""
        return self._namespaces.pid

    def command(self, *argv: str) -> list[str]:
        """Return the argument list that runs `argv` in the host, for the caller to start.

        The process is killed when its parent, nsenter, is killed.
        """
        return [*self._enter, "--", *self._killed_with_parent, *argv]

    def run(
        self,
        *argv: str,
        within: float = 30.0,
        stdin: str = "",
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command in the host to its end, and return its exit code and output.

        The exit code is 127 if the program does not exist. `within` is in seconds.

        Raises:
            LabError: the command did not end in time, or with `check` its exit code is not 0.
        """
        return self._finish(self.command(*argv), argv, within, stdin, check=check, env=env)

    def ip(self, *argv: str) -> str:
        """Run the ip command (iproute2) in the host's network, and return its output.

        Raises:
            LabError: the command failed.
        """
        # Entering only the network namespace is enough and takes half the time.
        command = [*self._enter[:4], "--", self._ip, *argv]
        return self._finish(command, ("ip", *argv), 30.0, "", check=True, env=None).out

    def _finish(  # noqa: PLR0913 - the arguments of `run`
        self,
        command: Sequence[str],
        argv: Sequence[str],
        within: float,
        stdin: str,
        *,
        check: bool,
        env: Mapping[str, str] | None,
    ) -> Completed:
        text = f"{self.name}: {shlex.join(argv)}"
        try:
            done = run(command, within=within, stdin=stdin, env=env)
        except CommandError as error:
            message = f"{text}: did not end within {within:g} s and was killed"
            raise LabError(message) from error
        if check and done.code != 0:
            message = f"{text}: exit code {done.code}"
            raise LabError(message, hint=f"{done.out}{done.err}".strip())
        return done

    def start(
        self,
        *argv: str,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        configs: Sequence[str] = (),
    ) -> Daemon:
        """Start a foreground process in the host; return when the process exists.

        `name` (default: the name of the program) is used for the report and the log file; the
        second process with the same name is called "name 2". `configs` are files of the host that
        the report shows.
        """
        # nsenter must not wait for the process: nsenter stops itself when its child is stopped, and
        # a stopped nsenter is not killed together with the host.
        command = [*self._enter, "--no-fork", "--", *_WAITING_SHELL, *self._killed_with_parent]
        begin = partial(start_process, [*command, *argv], env)
        return self.adopt(argv, begin, name=name, configs=configs)

    def adopt(
        self,
        argv: Sequence[str],
        begin: Callable[[IO[bytes]], Process],
        *,
        name: str | None = None,
        configs: Sequence[str] = (),
    ) -> Daemon:
        """Start a process in the host by `begin`, which gets the log file; else as `start`.

        `begin` returns a process whose only child is the daemon, as the shell of `start` is.
        """
        name = name or argv[0].rsplit("/", 1)[-1]
        again = sum(daemon.name.split(" ")[0] == f"{self.name}/{name}" for daemon in self.daemons)
        name = f"{name} {again + 1}" if again else name
        log = self.path(f"/run/.lab/log/{name}.log")
        with log.open("ab") as output:
            process = begin(output)
        daemon = Daemon(f"{self.name}/{name}", argv, process=process, log=log, configs=configs)
        self.daemons.append(daemon)
        return daemon

    def path(self, path: str) -> Path:
        """Return the path outside of the host for `path`, an absolute path in the host."""
        return self._namespaces.path(path)

    def write(self, path: str, text: str, *, mode: int = 0o644) -> Path:
        """Write a file of the host and create its directories; return its path outside."""
        outside = self._namespaces.writable(path)
        outside.parent.mkdir(parents=True, exist_ok=True)
        outside.write_text(text, "utf-8")
        outside.chmod(mode)
        return outside

    def read(self, path: str) -> str:
        """Return the text of a file of the host."""
        return self.path(path).read_text("utf-8")

    def address(self, interface: str, cidr: str, *, label: str | None = None) -> Host:
        """Add an address such as "172.17.2.1/24"; return the host, to chain calls.

        The address is usable at once. `label` is for IPv4 only and must begin with the name of the
        interface ("lo:dns1").
        """
        extra = ("label", label) if label else ()
        nodad = ("nodad",) if ":" in cidr else ()
        self.ip("address", "add", cidr, "dev", interface, *extra, *nodad)
        return self

    def remove_address(self, interface: str, cidr: str) -> Host:
        """Remove an address."""
        self.ip("address", "del", cidr, "dev", interface)
        return self

    def up(self, interface: str) -> Host:
        """Set an interface up."""
        self.ip("link", "set", interface, "up")
        return self

    def down(self, interface: str) -> Host:
        """Set an interface down; the other end of the cable loses its carrier."""
        self.ip("link", "set", interface, "down")
        return self

    def route(self, *argv: str) -> Host:
        """Add a route in the syntax of ip-route(8): `route("default", "via", "172.17.2.254")`."""
        family = "-6" if any(":" in word for word in argv) else "-4"
        self.ip(family, "route", "add", *argv)
        return self

    def sysctl(self, name: str, value: str | int) -> Host:
        """Set a kernel parameter of the host's network, such as "net.ipv4.ip_forward".

        Use slashes instead of dots if the name of an interface has a dot.
        """
        file = name if "/" in name else name.replace(".", "/")
        self.run("/bin/sh", "-c", 'printf %s "$1" > "/proc/sys/$2"', "sh", str(value), file)
        return self

    def listens(self, port: int, *, protocol: str = "tcp") -> bool:
        """Return whether a socket on `port` accepts connections ("tcp") or datagrams ("udp")."""
        wanted = _LISTEN if protocol == "tcp" else _UNCONNECTED
        for table in (protocol, f"{protocol}6"):
            with contextlib.suppress(FileNotFoundError):  # the machine may have no IPv6
                text = self.path(f"/proc/1/net/{table}").read_text("ascii")
                for line in text.splitlines()[1:]:
                    _, local, _, state, *_ = line.split()
                    if state == wanted and int(local.rsplit(":", 1)[1], 16) == port:
                        return True
        return False

    def udp(self, counter: str, family: Family = "ipv4") -> int:
        """Return a UDP counter of the host's network, such as "InDatagrams" (RFC 4113)."""
        if family == "ipv6":
            lines = self.path("/proc/1/net/snmp6").read_text("ascii").splitlines()
            return int(dict(line.split() for line in lines)[f"Udp6{counter}"])
        lines = self.path("/proc/1/net/snmp").read_text("ascii").splitlines()
        names, values = (line.split() for line in lines if line.startswith("Udp: "))
        return int(values[names.index(counter)])

    def dig(self, *argv: str, within: float = 5.0) -> str:
        """Run dig with one try of 1 s; return the short answer, or "" without an answer.

        Example: `host.dig("@10.10.10.10", "google.com", "SOA")`
        """
        short = ("+short", "+time=1", "+tries=1")
        done = self.run(find("dig"), *short, *argv, within=within, check=False)
        return done.out.strip() if done.code == 0 else ""

    def close(self) -> None:
        """End every process of the host. The kernel then removes its namespaces and files."""
        self._namespaces.close()
        for daemon in self.daemons:
            daemon.wait(30.0)
