"""A lab: hosts, the links between them, and a report of what happened in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.host import Host
from anycast_routed.lab.programs import find
from anycast_routed.system.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

_LOG_TAIL = 40  # lines


class Lab:
    """Hosts as network namespaces, with virtual links, for as long as the `with` block runs.

    It needs root, or the namespaces that `python -m anycast_routed.lab` enters for an ordinary
    user. It touches nothing of the machine, and leaves nothing behind: when our own process dies,
    by whatever signal, the kernel ends every process of the lab and forgets its namespaces.
    An exception that leaves the block carries the report as a note.
    """

    def __init__(self) -> None:
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

    def host(self, name: str) -> Host:
        """Make a host whose only interface is lo, which is up.

        Raises:
            LabError: there is such a host already, or it cannot be named so.
            LabUnavailableError: the kernel does not give us the namespaces.
        """
        if name in self.hosts:
            message = f"there is a host {name} in this lab already"
            raise LabError(message)
        self.hosts[name] = Host(name)
        return self.hosts[name]

    def link(
        self, one: Host, other: Host, *, names: tuple[str | None, str | None] = (None, None)
    ) -> tuple[str, str]:
        """Join two hosts by a cable; return the names of its interfaces, which are up.

        A name that is not given is the next free of eth0, eth1, ...
        """
        first, second = names[0] or _free_name(one), names[1] or _free_name(other)
        if one is other and first == second:
            message = f"both ends of a cable in {one.name} would be {first}: name them"
            raise LabError(message)
        _cable(one, first, other, second)
        return first, second

    def lan(self, name: str, *hosts: Host, interfaces: Sequence[str] = ()) -> tuple[str, ...]:
        """Join hosts by one Ethernet segment; return the names of their interfaces, which are up.

        `interfaces` names them, in the order of the hosts; else each is the next free of eth0,
        eth1, ... Call it again with the same `name` to join more hosts to the segment.
        """
        switch = self._switches.get(name)
        if switch is None:
            switch = self._switches[name] = Host(name)
            # A port forwards at once, and neighbor discovery reaches everyone.
            bridge = ("type", "bridge", "stp_state", "0", "forward_delay", "0")
            switch.ip("link", "add", "lan", *bridge, "mcast_snooping", "0")
            switch.up("lan")
        made = []
        for index, host in enumerate(hosts):
            interface = interfaces[index] if interfaces else _free_name(host)
            port = _free_name(switch, "port")
            _cable(host, interface, switch, port)
            switch.ip("link", "set", port, "master", "lan")
            made.append(interface)
        return tuple(made)

    def report(self) -> str:
        """Return, for people, every daemon's state, the end of its log, and its config files."""
        return "\n".join(line for host in self.hosts.values() for line in _report(host))

    def close(self) -> None:
        """End all hosts, last first. Harmless when done before."""
        failures: list[AnycastRoutedError] = []
        for places in (self.hosts, self._switches):
            while places:
                _, host = places.popitem()
                try:
                    host.close()
                except AnycastRoutedError as error:  # pragma: no cover - only a hung kernel
                    failures.append(error)
        if failures:  # pragma: no cover
            raise failures[0]


def reports(values: Iterable[object]) -> str:
    """Return the reports of every lab among `values`: give it a failed test's fixture values."""
    return "\n".join(value.report() for value in values if isinstance(value, Lab))


def _cable(one: Host, first: str, other: Host, second: str) -> None:
    ends = ("name", first, "netns", str(one.pid), "type", "veth")
    peer = ("peer", "name", second, "netns", str(other.pid))
    done = run([find("ip"), "link", "add", *ends, *peer], within=10.0)
    if done.code != 0:
        message = f"cannot join {one.name} {first} and {other.name} {second}"
        raise LabError(message, hint=done.err.strip())
    one.up(first)
    other.up(second)


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
