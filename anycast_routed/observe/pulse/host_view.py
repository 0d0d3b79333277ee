"""What this host itself knows of the servers: their sockets, and who holds these."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from anycast_routed.observe.pulse.cgroups import Members, members
from anycast_routed.observe.pulse.counters import Threads, reads, threads
from anycast_routed.observe.pulse.processes import Owners, pids, search
from anycast_routed.observe.pulse.sock_diag import ClosedSockets, Listeners, listeners

_SLICE: Final = 0.002
"""Seconds for which a search may hold up the probes."""
_THREADS: Final = 128
"""Threads looked at in one turn, shared by the bursts, lest the look make us late."""
_FEW: Final = 4
"""Threads that are looked at of any process; some stand for all."""
SYSTEMD: Final = 1
"""Its PID: it keeps the sockets of those it starts on demand, and never answers a question."""


class Local:
    """One for all servers, because a look at /proc or at all sockets costs milliseconds."""

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._deaths: ClosedSockets | None = None
        self.trouble = "the pulse has not begun"
        """Why the kernel tells us nothing of sockets; empty when it does."""
        self.suspects: set[int] = set()
        """Ports whose sockets are to be looked at anew."""
        self.bursts = 0
        """Servers with a burst at the moment."""
        self._inodes: frozenset[int] = frozenset()
        self._search: Iterator[Owners | None] | None = None
        self._searched: set[int] = set()
        self._owners: Owners = {}
        self._owners_now: Owners | None = None
        self._on_port: dict[int, Listeners | None] = {}
        self._members: Members = {}
        self._threads: dict[int, Threads] = {}
        self._reads: list[int | None] = []

    def open(self, wake: Callable[[], None]) -> None:
        """Begin to listen to the kernel, if we do not yet, and be woken by its news."""
        self.trouble = ""
        if self._deaths is not None:
            return
        try:
            self._deaths = ClosedSockets(self._ports)
            asyncio.get_running_loop().add_reader(self._deaths.fileno(), wake)
        except OSError as error:
            self.trouble = _trouble(error)

    def close(self) -> None:
        """Close everything."""
        if self._deaths is not None:
            asyncio.get_running_loop().remove_reader(self._deaths.fileno())
            self._deaths.close()
            self._deaths = None
        self.trouble = "the pulse has ended"

    def hear(self) -> None:
        """Suspect the ports on which sockets have died."""
        if self._deaths is None:
            return
        try:
            self.suspects |= self._deaths.read()
        except OSError as error:
            self.close()
            self.trouble = _trouble(error)

    def listeners(self, port: int) -> Listeners | None:
        """Give the sockets on a port, as they are in this turn; None where it isn't told."""
        if port not in self._on_port:
            try:
                self._on_port[port] = listeners(port)
            except OSError as error:
                self.trouble = _trouble(error)
                self._on_port[port] = None
        return self._on_port[port]

    def threads(self, pid: int) -> Threads:
        """Give what a process has done until this turn. Raises OSError: no descriptor is left."""
        if pid not in self._threads:
            most = max(_FEW, _THREADS // max(1, self.bursts))
            self._threads[pid] = threads(pid, most)
        return self._threads[pid]

    def reads(self) -> int | None:
        """Give the datagrams read here until this turn. Raises OSError: no descriptor is left."""
        if not self._reads:
            self._reads.append(reads())
        return self._reads[0]

    def forget(self) -> None:
        """Look anew at what was looked at in this turn."""
        self._on_port.clear()
        self._threads.clear()
        self._reads.clear()
        self._owners_now = None

    @property
    def searching(self) -> bool:
        """Whether a search is on."""
        return self._search is not None

    def look_for(self, sockets: Mapping[int, int]) -> None:
        """Search anew for those who hold these sockets: inodes, each with its cgroup."""
        self._inodes = frozenset(sockets)
        self._searched = set()
        self._search = self._searching(sockets, self._searched)

    def found(self) -> Owners | None:
        """Search on for a short while; give the result once when it is there."""
        end = time.monotonic() + _SLICE
        while self._search is not None and time.monotonic() < end:
            if (owners := next(self._search)) is not None:
                self._search = None
                self._owners = owners
                return owners
        return None

    def _searching(self, sockets: Mapping[int, int], searched: set[int]) -> Iterator[Owners | None]:
        """Search the processes, and then the cgroups of the sockets that none of them holds."""
        owners: Owners = {}
        for held in search(sockets, _noted(pids(), searched)):
            owners = held or owners
            yield None
        unknown = {sockets[inode] for inode, held in owners.items() if not {*held} - {SYSTEMD}}
        for those in members(unknown):
            if those is not None:
                self._members = those
            yield None
        yield owners

    def owners(self) -> Owners:
        """Give who holds the sockets in this turn; none while a search is on.

        To those found by the last search only processes that are new since then can have been
        added, and these are few.
        """
        if self._search is not None:
            return {}
        if self._owners_now is None:
            new = [pid for pid in pids() if pid not in self._searched]
            *_, added = search(self._inodes, new)
            self._owners_now = {
                inode: {*self._owners.get(inode, ()), *(added or {}).get(inode, ())}
                for inode in self._inodes
            }
        return self._owners_now

    def members(self, cgroup: int) -> Collection[int]:
        """Give the processes of a socket's cgroup, as they were at the end of the last search."""
        return self._members.get(cgroup, ())


def _noted(those: Iterator[int], notes: set[int]) -> Iterator[int]:
    for one in those:
        notes.add(one)
        yield one


def _trouble(error: OSError) -> str:
    return f"sock_diag: {error.strerror or error}"
