"""A lab: hosts, the links between them, and a report with logs and config files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

RELEASE_VARIABLE = "ANYCAST_ROUTED_RELEASE"
"""The environment variable with the release that a lab uses by default."""
_LOG_TAIL = 40  # lines


class Lab:
    """Hosts in network namespaces with virtual links, which exist while the `with` block runs.

    A lab needs root, or the user namespace that `python -m anycast_routed.lab` creates for an
    ordinary user. A lab changes nothing on the machine and leaves nothing behind: when the process
    that made it dies, also from SIGKILL, the kernel ends every process of the lab and removes its
    namespaces. An exception that leaves the block gets the report of the lab as a note.
    """

    def __init__(self, *, release: str | None = None) -> None:
        self._release = release or os.environ.get(RELEASE_VARIABLE) or None
        self.hosts: dict[str, Host] = {}
        self._switches: dict[str, Host] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None and (report := self.report()):
                error.add_note(report)
        finally:
            self.close()

    def host(self, name: str, *, release: str | None = None) -> Host:
        """Create a host. Its only interface is lo, which is up.

        With `release` it runs the daemons of that release, such as "trixie-bird3"; the default is
        the release of the lab, and without one the daemons of the machine.

        Raises:
            LabError: the lab already has a host `name`, the name is not valid, or the files of the
                release cannot be had.
            LabUnavailableError: the kernel does not allow the namespaces.
        """
        if name in self.hosts:
            message = f"this lab already has a host {name}"
            raise LabError(message)
        self.hosts[name] = Host(name, release or self._release)
        return self.hosts[name]

    def link(
        self, one: Host, other: Host, *, names: tuple[str | None, str | None] = (None, None)
    ) -> tuple[str, str]:
        """Connect two hosts with a cable; return the names of its two interfaces, which are up.

        The default of a name is the next free one of eth0, eth1, ...

        Raises:
            LabError: an interface with that name exists, or both ends have the same name and host.
        """
        first, second = names[0] or _free_name(one), names[1] or _free_name(other)
        if one is other and first == second:
            message = f"both ends of a cable in {one.name} would be named {first}"
            raise LabError(message, hint="give the names")
        _cable(one, first, other, second)
        return first, second

    def lan(self, name: str, *hosts: Host, interfaces: Sequence[str] = ()) -> tuple[str, ...]:
        """Connect hosts to one Ethernet segment; return the names of their interfaces (up).

        `interfaces` are the names, in the order of the hosts; the default of each is the next free
        one of eth0, eth1, ... Call `lan` again with the same `name` to connect more hosts.
        """
        switch = self._switches.get(name)
        if switch is None:
            switch = self._switches[name] = Host(name)
            # Ports forward at once, and neighbor discovery reaches every host.
            bridge = ("type", "bridge", "stp_state", "0", "forward_delay", "0")
            switch.ip("link", "add", "lan", *bridge, "mcast_snooping", "0")
            switch.up("lan")
        connected = []
        for index, host in enumerate(hosts):
            interface = interfaces[index] if interfaces else _free_name(host)
            port = _free_name(switch, "port")
            _cable(host, interface, switch, port, "master", "lan")
            connected.append(interface)
        return tuple(connected)

    def report(self) -> str:
        """Return a text with the state, the end of the log and the config files of every daemon."""
        return "\n".join(line for host in self.hosts.values() for line in _report(host))

    def close(self) -> None:
        """Close all hosts, the newest first. A second call does nothing."""
        failures: list[AnycastRoutedError] = []
        for hosts in (self.hosts, self._switches):
            while hosts:
                _, host = hosts.popitem()
                try:
                    host.close()
                except AnycastRoutedError as error:  # pragma: no cover - only a hung kernel
                    failures.append(error)
        if failures:  # pragma: no cover
            raise failures[0]


def reports(values: Iterable[object]) -> str:
    """Return the reports of all labs in `values`, for example the fixtures of a failed test."""
    return "\n".join(value.report() for value in values if isinstance(value, Lab))


def _cable(one: Host, first: str, other: Host, second: str, *options: str) -> None:
    """Connect two hosts; `options` are for the interface of the second one."""
    peer = ("type", "veth", "peer", "name", first, "netns", str(one.pid))
    try:
        other.ip("link", "add", second, "up", *options, *peer)
    except LabError as error:
        message = f"cannot connect {one.name} {first} and {other.name} {second}"
        raise LabError(message, hint=error.hint) from error
    one.up(first)


def _free_name(host: Host, stem: str = "eth") -> str:
    lines = host.path("/proc/1/net/dev").read_text("ascii").splitlines()[2:]
    taken = {line.split(":", 1)[0].strip() for line in lines}
    return next(name for n in range(len(taken) + 1) if (name := f"{stem}{n}") not in taken)


def _report(host: Host) -> Iterable[str]:
    configs: list[str] = []
    for daemon in host.daemons:
        state = "alive" if daemon.alive else f"ended with code {daemon.code}"
        yield f"=== {daemon.name}: {state}: {' '.join(daemon.argv)}"
        yield from daemon.log().splitlines()[-_LOG_TAIL:]
        configs += [path for path in daemon.configs if path not in configs]
    for path in configs:
        yield f"--- {host.name}:{path}"
        try:
            yield host.read(path)
        except (OSError, UnicodeDecodeError) as error:
            yield f"({error})"
