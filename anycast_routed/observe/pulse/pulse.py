"""The loop: one task and one timer for all servers."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, NoReturn

from anycast_routed.observe.pulse.events import Notice, Senses, Server
from anycast_routed.observe.pulse.host_view import Local
from anycast_routed.observe.pulse.processes import Owners
from anycast_routed.observe.pulse.target import SLACK, Target

_LATE: Final = 0.02
"""Seconds by which we may wake up late without doubting what we saw."""
_REFRESH: Final = 10.0
"""Seconds from one look at all sockets to the next: new ones announce themselves nowhere."""
_SEARCHES: Final = 6
"""Each so many of these looks all processes are searched too."""
_REST: Final = 0.01
"""Seconds from one slice of a search to the next."""


class Pulse:
    """Feels the pulse of servers, and tells of those that die, come back or answer otherwise.

    Nothing is opened before `run`. What is asked of it, and `next`, belong to the same event loop.
    """

    def __init__(self, servers: Iterable[Server]) -> None:
        servers = tuple(dict.fromkeys(servers))
        self._notices: asyncio.Queue[Notice] = asyncio.Queue()
        self._local = Local({server.port for server in servers})
        self._targets = {server: Target(server, self._local, self._notices) for server in servers}
        self._refreshes = 0
        self._next_refresh = 0.0
        self._waiter: asyncio.Future[None] | None = None

    async def run(self) -> NoReturn:
        """Feel until cancelled; every socket is closed then."""
        try:
            due = time.monotonic()
            for target in self._targets.values():
                target.begin(due)
            while True:
                now = time.monotonic()
                self._turn(now, late=now - due > _LATE)
                dues = [target.due for target in self._targets.values()]
                rest = [time.monotonic() + _REST] if self._local.searching else []
                due = min([self._next_refresh, *dues, *rest])
                await self._sleep(due)
        finally:
            for target in self._targets.values():
                target.close()
            self._local.close()

    async def next(self) -> Notice:
        """Wait for the next notice."""
        return await self._notices.get()

    def judged(self, server: Server) -> None:
        """Take what the base probe is answered now for normal: a check has just passed or failed.

        After one that failed a recovery is told as a change.
        """
        self._targets[server].settle()

    def senses(self, server: Server) -> Senses:
        """Say which senses work for this server now."""
        return self._targets[server].senses()

    def _turn(self, now: float, *, late: bool) -> None:
        """Do everything that is due. It never waits, and takes what it takes."""
        self._local.forget()
        self._local.hear()
        if now >= self._next_refresh:
            self._refresh(now)
        self._look(now)
        due = [target for target in self._targets.values() if target.due <= now + SLACK]
        asked = [target for target in due if target.turn(now, late=late)]
        if asked:
            asked[-1].await_reply()  # the replies to the others are there by then
            for target in asked:
                target.glance(now)
        self._local.forget()
        self._look(now)
        if (owners := self._local.found()) is not None:
            self._hand_out(owners)

    def _refresh(self, now: float) -> None:
        self._next_refresh = now + _REFRESH
        self._local.open(self._wake)
        self._local.suspects |= {server.port for server in self._targets}
        all_anew = self._refreshes % _SEARCHES == 0
        self._refreshes += 1
        self._look(now)
        if all_anew or any(target.trace.stale() for target in self._targets.values()):
            self._search()

    def _look(self, now: float) -> None:
        """Look at the suspect sockets, and search for who holds those that are new."""
        changed = False
        while self._local.suspects:
            port = self._local.suspects.pop()
            on_port = self._local.listeners(port)
            for server, target in self._targets.items():
                if server.port == port:
                    changed |= target.saw(on_port, now)
        if changed:
            self._search()

    def _search(self) -> None:
        sockets: dict[int, int] = {}
        for target in self._targets.values():
            sockets |= target.trace.sockets()
        self._local.look_for(sockets)

    def _hand_out(self, owners: Owners) -> None:
        for target in self._targets.values():
            target.trace.held_by(owners)

    async def _sleep(self, until: float) -> None:
        """Wait until then, or until sockets die."""
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
