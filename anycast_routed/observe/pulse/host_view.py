"""What this host shows of all observed servers: sockets, processes, counters; read once a turn."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from anycast_routed.observe.pulse.cgroups import Members, members
from anycast_routed.observe.pulse.counters import thread_states
from anycast_routed.observe.pulse.processes import Owners, all_pids, find_owners
from anycast_routed.observe.sock_diag import ClosedSockets, Listeners, listeners

_SLICE: Final = 0.002
"""Seconds for which a search may delay the probes."""
SYSTEMD: Final = 1
"""The PID of systemd: it holds the sockets of services that it starts on demand, but never answers
a query.
"""


class HostView:
    """One for all servers, because a look at /proc or at all sockets costs milliseconds."""

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._closed: ClosedSockets | None = None
        self.trouble = "the pulse has not started"
        """Why the kernel does not report closed sockets; empty if it does."""
        self.suspect_ports: set[int] = set()
        """Ports whose sockets have to be read again."""
        self.bursts = 0
        """Servers with a burst at the moment."""
        self._inodes: frozenset[int] = frozenset()
        self._search: Iterator[Owners | None] | None = None
        self._searched: set[int] = set()
        self._owners: Owners = {}
        self._members: Members = {}
        # Caches, valid for one turn:
        self._owners_now: Owners | None = None
        self._on_port: dict[int, Listeners | None] = {}
        self._states: dict[int, Collection[str]] = {}

    def open(self, wake: Callable[[], None]) -> None:
        """Subscribe to the kernel's events, if not done yet; `wake` is called for each."""
        self.trouble = ""
        if self._closed is not None:
            return
        try:
            self._closed = ClosedSockets(self._ports)
            asyncio.get_running_loop().add_reader(self._closed.fileno(), wake)
        except OSError as error:
            self.trouble = _trouble(error)

    def close(self) -> None:
        """Close everything."""
        if self._closed is not None:
            asyncio.get_running_loop().remove_reader(self._closed.fileno())
            self._closed.close()
            self._closed = None
        self.trouble = "the pulse has ended"

    def read_events(self) -> None:
        """Mark the ports on which sockets were closed as suspect."""
        if self._closed is None:
            return
        try:
            self.suspect_ports |= self._closed.read()
        except OSError as error:
            self.close()
            self.trouble = _trouble(error)

    def listeners(self, port: int) -> Listeners | None:
        """Return the sockets on a port as of this turn; None if the kernel does not report them."""
        if port not in self._on_port:
            try:
                self._on_port[port] = listeners(port)
            except OSError as error:
                self.trouble = _trouble(error)
                self._on_port[port] = None
        return self._on_port[port]

    def thread_states(self, pid: int) -> Collection[str]:
        """Return the states of a process's threads as of this turn.

        Raises OSError if no descriptor is free.
        """
        if pid not in self._states:
            self._states[pid] = thread_states(pid)
        return self._states[pid]

    def clear_caches(self) -> None:
        """Read everything again when it is needed next."""
        self._on_port.clear()
        self._states.clear()
        self._owners_now = None

    @property
    def searching(self) -> bool:
        """Whether a search is running."""
        return self._search is not None

    def start_search(self, cgroups: Mapping[int, int]) -> None:
        """Start a new search for the processes of sockets: `cgroups` maps inodes to cgroup IDs."""
        self._inodes = frozenset(cgroups)
        self._searched = set()
        self._search = self._searching(cgroups, self._searched)

    def continue_search(self) -> Owners | None:
        """Search for a short while; return the result once, when the search is complete."""
        end = time.monotonic() + _SLICE
        while self._search is not None and time.monotonic() < end:
            if (owners := next(self._search)) is not None:
                self._search = None
                self._owners = owners
                return owners
        return None

    def _searching(self, cgroups: Mapping[int, int], searched: set[int]) -> Iterator[Owners | None]:
        """Search the processes, and then the cgroups of the sockets that no process holds."""
        owners: Owners = {}
        for found in find_owners(cgroups, _noted(all_pids(), searched)):
            owners = found or owners
            yield None
        unknown = {cgroups[inode] for inode, held in owners.items() if not {*held} - {SYSTEMD}}
        for those in members(unknown):
            if those is not None:
                self._members = those
            yield None
        yield owners

    def owners(self) -> Owners:
        """Return the processes that hold the sockets as of this turn; empty during a search.

        Only processes started since the last search are searched: these are few.
        """
        if self._search is not None:
            return {}
        if self._owners_now is None:
            new = [pid for pid in all_pids() if pid not in self._searched]
            *_, added = find_owners(self._inodes, new)
            self._owners_now = {
                inode: {*self._owners.get(inode, ()), *(added or {}).get(inode, ())}
                for inode in self._inodes
            }
        return self._owners_now

    def members(self, cgroup: int) -> Collection[int]:
        """Return the processes of a cgroup, as of the end of the last search."""
        return self._members.get(cgroup, ())


def _noted(pids: Iterator[int], notes: set[int]) -> Iterator[int]:
    for pid in pids:
        notes.add(pid)
        yield pid


def _trouble(error: OSError) -> str:
    return f"sock_diag: {error.strerror or error}"
