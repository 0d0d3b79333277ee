"""One server's traces on this host: its listening sockets, and the processes that hold them."""

import ipaddress

from anycast_routed.observe.pulse.events import Server
from anycast_routed.observe.pulse.host_view import SYSTEMD, Local
from anycast_routed.observe.pulse.overload import Effort
from anycast_routed.observe.pulse.processes import Holders, Owners, with_children
from anycast_routed.observe.pulse.sock_diag import Listener, Listeners


class Trace:
    """What there is of one server on this host, as of the last look."""

    def __init__(self, server: Server, local: Local) -> None:
        self._server = server
        self._local = local
        self._listeners: tuple[Listener, ...] = ()
        self._holders = Holders()
        self._here = False

    def locate(self, source: str) -> None:
        """Learn from what address we speak to the server.

        It is the server's own where that is on this host. If it isn't, a socket on all addresses of
        this host, perhaps a resolver for its own use, has nothing to do with the server.
        """
        address = self._server.address
        same = ipaddress.ip_address(source.partition("%")[0]) == address
        self._here = same or address.is_loopback

    def inodes(self) -> frozenset[int]:
        """Give its sockets."""
        return frozenset(listener.inode for listener in self._listeners)

    def sockets(self) -> dict[int, int]:
        """Give its sockets, each with its cgroup."""
        return {listener.inode: listener.cgroup for listener in self._listeners}

    def saw(self, on_port: Listeners | None) -> bool:
        """Take in the sockets that are on its port now; return whether its own have changed.

        Where the kernel doesn't tell we keep to what it has told before.
        """
        if on_port is None:
            return False
        before = self.inodes()
        self._listeners = self._own(on_port)
        return self.inodes() != before

    def held_by(self, owners: Owners) -> None:
        """Take in who holds the sockets."""
        pids = {pid for inode in self.inodes() for pid in owners.get(inode, ())}
        pids.discard(SYSTEMD)
        for listener in self._listeners:
            if not pids:
                pids.update(self._local.members(listener.cgroup))
        if not pids and self._server.pid_file is not None:
            pids.update(with_children(self._server.pid_file))
        holders = Holders(pids)
        # The same ones are kept, with what has been learnt of them.
        if holders.started != self._holders.started:
            self._holders = holders

    def stale(self) -> bool:
        """Return whether one of the processes has gone."""
        return self._holders.gone()

    def evidence(self) -> str:
        """Say why no process can serve any longer; empty when one can, or none is known.

        What was known is checked with a fresh look, for another process may have taken over.
        """
        if not self._holders.evidence():
            return ""
        port = self._server.port
        on_port = self._local.listeners(port)
        if on_port is None or {one.inode for one in self._own(on_port)} != self.inodes():
            self._local.suspects.add(port)
            return ""
        self.held_by(self._local.owners())
        return self._holders.evidence()

    def effort(self, now: float, *, fresh: bool = False) -> Effort:
        """Return what was counted of it until now; `fresh`: with processes that are new.

        Raises OSError: no descriptor is left.
        """
        if fresh and not self._local.searching:
            self.held_by(self._local.owners())
        threads: dict[int, tuple[float, float]] = {}
        runnable = False
        for pid in self._holders.started:
            those, could_run = self._local.threads(pid)
            threads |= those
            runnable = runnable or could_run
        on_port = self._local.listeners(self._server.port)
        own = self._own(on_port) if on_port is not None else ()
        drops = {one.inode: one.drops for one in own}
        return Effort(now, threads, runnable, drops, self._local.reads())

    def _own(self, on_port: Listeners) -> tuple[Listener, ...]:
        return on_port.serving(self._server.address) if self._here else ()

    def has_sockets(self) -> bool:
        """Return whether it has listening sockets here."""
        return bool(self._listeners)

    def has_processes(self) -> bool:
        """Return whether its processes are known."""
        return bool(self._holders)

    def lacks(self) -> list[str]:
        """Say why its sockets or processes are unknown."""
        said = []
        if self._local.trouble:
            said.append(self._local.trouble)
        elif not self._listeners:
            said.append("no listening socket here: it is down, or in another namespace or host")
        if not self._holders:
            said.append("no PIDs known: another user's processes, or none here")
        return said
