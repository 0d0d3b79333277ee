"""The listening sockets of one server on this host, and the processes that hold them."""

import ipaddress
from collections.abc import Collection

from anycast_routed.observe.pulse.counters import time_run
from anycast_routed.observe.pulse.deadlock import Activity, Queue
from anycast_routed.observe.pulse.events import Server
from anycast_routed.observe.pulse.host_view import SYSTEMD, HostView
from anycast_routed.observe.pulse.processes import Owners, ServerProcesses, pids_from_file
from anycast_routed.observe.sock_diag import Listener, Listeners


class ServerSockets:
    """The sockets and processes of one server, as of the last look."""

    def __init__(self, server: Server, host: HostView) -> None:
        self._server = server
        self._host = host
        self._listeners: tuple[Listener, ...] = ()
        self._processes = ServerProcesses()
        self._on_this_host = False

    def locate(self, source: str) -> None:
        """Learn from the local address of a probe whether the server's address is on this host.

        The local address equals the server's if that is on this host. Otherwise a socket on all
        addresses of this host, perhaps of a local resolver, does not belong to the server.
        """
        address = self._server.address
        same = ipaddress.ip_address(source.partition("%")[0]) == address
        self._on_this_host = same or address.is_loopback

    def inodes(self) -> frozenset[int]:
        """Return the inodes of the sockets."""
        return frozenset(listener.inode for listener in self._listeners)

    def cgroups(self) -> dict[int, int]:
        """Return the cgroup ID of each socket, by inode."""
        return {listener.inode: listener.cgroup for listener in self._listeners}

    def update(self, on_port: Listeners | None) -> bool:
        """Take over the sockets that are on the port now; return whether the server's changed.

        None, if the kernel does not report them, changes nothing.
        """
        if on_port is None:
            return False
        before = self.inodes()
        self._listeners = self._own(on_port)
        return self.inodes() != before

    def assign(self, owners: Owners) -> None:
        """Take over the processes that hold the sockets."""
        pids = {pid for inode in self.inodes() for pid in owners.get(inode, ())}
        pids.discard(SYSTEMD)
        for listener in self._listeners:
            if not pids:
                pids.update(self._host.members(listener.cgroup))
        if not pids and self._server.pid_file is not None:
            pids.update(pids_from_file(self._server.pid_file))
        processes = ServerProcesses(pids)
        # If they are the same, what was learnt of them is kept.
        if processes.started != self._processes.started:
            self._processes = processes

    def stale(self) -> bool:
        """Return whether one of the processes has ended."""
        return self._processes.gone()

    def fault(self) -> str:
        """Return why no process can serve any longer; empty if one can, or if none is known.

        A fault is confirmed with a fresh look, because another process may have taken over.
        """
        if not self._processes.fault():
            return ""
        port = self._server.port
        on_port = self._host.listeners(port)
        if on_port is None or {one.inode for one in self._own(on_port)} != self.inodes():
            self._host.suspect_ports.add(port)
            return ""
        self.assign(self._host.owners())
        return self._processes.fault()

    def activity(self, *, fresh: bool = False) -> Activity:
        """Return what the kernel has counted up to now; `fresh`: include new processes."""
        if fresh and not self._host.searching:
            self.assign(self._host.owners())
        found = {pid: time_run(pid) for pid in self._processes.started}
        on_port = self._host.listeners(self._server.port)
        own = self._own(on_port) if on_port is not None else ()
        return Activity(
            ran={pid: ran for pid, ran in found.items() if ran is not None},
            queues={one.inode: Queue(one.waiting, one.drops) for one in own},
        )

    def thread_states(self) -> Collection[str]:
        """Return the states of all threads of the server.

        Raises OSError if no descriptor is free.
        """
        return {state for pid in self._processes.started for state in self._host.thread_states(pid)}

    def _own(self, on_port: Listeners) -> tuple[Listener, ...]:
        return on_port.serving(self._server.address) if self._on_this_host else ()

    def has_sockets(self) -> bool:
        """Return whether the server has listening sockets on this host."""
        return bool(self._listeners)

    def has_processes(self) -> bool:
        """Return whether the processes of the server are known."""
        return bool(self._processes)

    def missing(self) -> list[str]:
        """Return why the sockets or the processes are unknown."""
        reasons = []
        if self._host.trouble:
            reasons.append(self._host.trouble)
        elif not self._listeners:
            reasons.append(
                "no listening socket on this host: it is down, or in another namespace or host"
            )
        if not self._processes:
            reasons.append("its processes are unknown: of another user, or not on this host")
        return reasons
