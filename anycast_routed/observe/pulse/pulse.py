"""Run the pulse: one task and one timer for all servers."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, NoReturn

from anycast_routed.observe.pulse.events import Notice, Senses, Server
from anycast_routed.observe.pulse.host_view import HostView
from anycast_routed.observe.pulse.processes import Owners
from anycast_routed.observe.pulse.target import SLACK, Target

_LATE: Final = 0.02
"""A wake-up that is later than this many seconds puts the evidence in doubt."""
_REFRESH: Final = 10.0
"""Seconds from one look at all sockets to the next: the kernel reports no new sockets."""
_SEARCHES: Final = 6
"""At every sixth of these looks all processes are searched too."""
_PAUSE: Final = 0.01
"""Seconds from one slice of a search to the next."""


class Pulse:
    """Observes servers, and reports those that die, return or answer differently.

    Nothing is opened before `run`. All methods must be called in the same event loop.
    """

    def __init__(self, servers: Iterable[Server], later: Iterable[Server] = ()) -> None:
        """`later` are the servers that `observe` may be given."""
        servers = tuple(dict.fromkeys(servers))
        self._notices: asyncio.Queue[Notice] = asyncio.Queue()
        self._host = HostView({server.port for server in (*servers, *later)})
        self._targets = {server: Target(server, self._host, self._notices) for server in servers}
        self._refreshes = 0
        self._next_refresh = 0.0
        self._waiter: asyncio.Future[None] | None = None

    async def run(self) -> NoReturn:
        """Observe until cancelled, and close every socket then."""
        try:
            due = time.monotonic()
            for target in self._targets.values():
                target.begin(due)
            while True:
                now = time.monotonic()
                self._turn(now, late=now - due > _LATE)
                due = min(
                    [
                        self._next_refresh,
                        *(target.due for target in self._targets.values()),
                        *([time.monotonic() + _PAUSE] if self._host.searching else []),
                    ]
                )
                await self._sleep(due)
        finally:
            for target in self._targets.values():
                target.close()
            self._host.close()

    async def next(self) -> Notice:
        """Wait for the next notice."""
        return await self._notices.get()

    def observe(self, server: Server) -> None:
        """Observe one more server, while this runs."""
        if server not in self._targets:
            self._targets[server] = target = Target(server, self._host, self._notices)
            target.begin(time.monotonic())
            self._wake()

    def forget(self, server: Server) -> None:
        """Observe a server no longer."""
        if (target := self._targets.pop(server, None)) is not None:
            target.close()

    def judged(self, server: Server) -> None:
        """Take the present answer to the base probe as the usual one: a check has just ended.

        After a check that failed, a recovery is reported as a change.
        """
        self._targets[server].settle()

    def senses(self, server: Server) -> Senses:
        """Return which senses work for this server now."""
        return self._targets[server].senses()

    def sockets(self, server: Server) -> frozenset[int]:
        """Return the inodes of this server's listening sockets; empty if none are known."""
        return frozenset() if self._host.trouble else self._targets[server].sockets.inodes()

    def _turn(self, now: float, *, late: bool) -> None:
        """Do everything that is due, without waiting."""
        self._host.clear_caches()
        self._host.read_events()
        if now >= self._next_refresh:
            self._refresh(now)
        self._update_sockets(now)
        due = [target for target in self._targets.values() if target.due <= now + SLACK]
        asked = [target for target in due if target.turn(now, late=late)]
        if asked:
            asked[-1].await_reply()  # the other replies have come by then
            for target in asked:
                target.take_reply(now)
        self._host.clear_caches()
        self._update_sockets(now)
        if (owners := self._host.continue_search()) is not None:
            self._assign(owners)

    def _refresh(self, now: float) -> None:
        self._next_refresh = now + _REFRESH
        self._host.open(self._wake)
        self._host.suspect_ports |= {server.port for server in self._targets}
        search_all = self._refreshes % _SEARCHES == 0
        self._refreshes += 1
        self._update_sockets(now)
        if search_all or any(target.sockets.stale() for target in self._targets.values()):
            self._start_search()

    def _update_sockets(self, now: float) -> None:
        """Read the sockets on suspect ports, and search for the processes of new sockets."""
        changed = False
        while self._host.suspect_ports:
            port = self._host.suspect_ports.pop()
            on_port = self._host.listeners(port)
            for server, target in self._targets.items():
                if server.port == port:
                    changed |= target.update_sockets(on_port, now)
        if changed:
            self._start_search()

    def _start_search(self) -> None:
        cgroups: dict[int, int] = {}
        for target in self._targets.values():
            cgroups |= target.sockets.cgroups()
        self._host.start_search(cgroups)

    def _assign(self, owners: Owners) -> None:
        for target in self._targets.values():
            target.sockets.assign(owners)

    async def _sleep(self, until: float) -> None:
        """Wait until that time, or until a socket is closed."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_at(until, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
