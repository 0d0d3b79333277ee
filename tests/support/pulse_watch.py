"""Run a pulse in a test, and wait for its notices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.observe.pulse import Notice, Pulse, Senses, Server, Sign
from anycast_routed.observe.pulse.condition import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_UNPRIVILEGED = 65534
"""The user and group ID of `nobody`."""
_LIMIT = 60.0
"""Seconds after which a test fails for lack of a notice, which usually takes milliseconds."""
_BUSY = ("wait for a CPU", "processes run", "more queries than it can answer")
"""Reasons of notices that report a busy machine, and no fault of a server."""


def server(  # noqa: PLR0913 - the fields of a Server
    address: str = "127.0.0.1",
    *,
    port: int = 53,
    query: str = "google.com.",
    rrtype: str = "SOA",
    interval: float = 0.05,
    pid_file: Path | None = None,
) -> Server:
    """Return the server that the lab starts, probed often so that tests are fast."""
    return Server(ip_address(address), port, query, rrtype, interval, pid_file)


class Watch:
    """A running pulse of one or more servers; `server` is the first of them."""

    def __init__(self, pulse: Pulse, server: Server) -> None:
        self.pulse = pulse
        self.server = server

    async def next(self) -> Notice:
        """Return the next notice that does not only report a busy machine.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(_LIMIT):
            while _only_busy(notice := await self.pulse.next()):
                pass
            return notice

    async def until(self, sign: Sign, reason: str = "") -> Notice:
        """Return the next notice with this sign and reason, and drop the notices before it.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(_LIMIT):
            while (notice := await self.pulse.next()).sign is not sign or (
                reason not in notice.reason
            ):
                pass
            return notice

    async def dies(self) -> bool:
        """Wait until a server is dead; return False if this machine is too busy to say so.

        Raises:
            TimeoutError: there was no notice in time.
        """
        async with asyncio.timeout(_LIMIT):
            while (notice := await self.pulse.next()).sign is not Sign.DEAD:
                if _only_busy(notice):
                    return False
            return "no answer to" in notice.reason

    async def notices(self, seconds: float) -> list[Notice]:
        """Return the notices of so many seconds, except those that only report a busy machine."""
        found: list[Notice] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    found.append(await self.pulse.next())
        return [notice for notice in found if not _only_busy(notice)]

    async def acquainted(self, *, sockets: bool = True) -> Senses:
        """Wait until the pulse knows its servers, and return the senses of the first.

        By then the processes were searched, and each server that can be asked has answered the base
        question, and a liveness question at once. Notices until then are dropped: a server that has
        just started may be silent for a moment.
        """
        async with asyncio.timeout(_LIMIT):
            while not self._knows(sockets=sockets):
                self._prefer_servers()
                await self.notices(self.server.interval)
        await self.notices(5 * self.server.interval)
        for one in self.pulse._targets:  # noqa: SLF001 - of no use to the daemon
            self.pulse.judged(one)
        return self.pulse.senses(self.server)

    def _prefer_servers(self) -> None:
        """Give the servers more CPU time than other programs, so that they answer at once."""
        for target in self.pulse._targets.values():  # noqa: SLF001 - of no use to the daemon
            for pid in target.sockets._processes.started:  # noqa: SLF001 - as above
                with contextlib.suppress(OSError):  # it has ended, or is of another user
                    set_autogroup(pid, -20)

    def _knows(self, *, sockets: bool) -> bool:
        if self.pulse._host.searching:  # noqa: SLF001 - as above
            return False
        for one, target in self.pulse._targets.items():  # noqa: SLF001 - as above
            if one != self.server and not self.pulse.senses(one).answers:
                continue
            conversation = target._conversation  # noqa: SLF001 - as above
            if not (conversation._answered_at and conversation.silence_counts()):  # noqa: SLF001
                return False
            up = target._condition.state is State.UP  # noqa: SLF001 - as above
            if not up or self.pulse.senses(one).sockets is not sockets:
                return False
        return True


def set_autogroup(pid: int, nice: int) -> None:
    """Set the priority of a process's session, where the kernel shares CPU time by sessions."""
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(nice), "ascii")


def _only_busy(notice: Notice) -> bool:
    return notice.sign is Sign.CHANGED and any(reason in notice.reason for reason in _BUSY)


@contextlib.contextmanager
def _before_others() -> Iterator[None]:
    """Run this thread before all others of the machine: a pulse that is late proves nothing.

    Its children run as usual. Without the privilege for it, and so for an ordinary user, nothing
    changes.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


@contextlib.asynccontextmanager
async def watching(*servers: Server) -> AsyncIterator[Watch]:
    """Run a pulse; an error in it fails the test."""
    pulse = Pulse(servers or (server(),))
    with _before_others():
        async with asyncio.TaskGroup() as group:
            running = group.create_task(pulse.run())
            try:
                yield Watch(pulse, (servers or (server(),))[0])
            finally:
                running.cancel()


async def soak(seconds: float, *servers: Server) -> list[Notice]:
    """Return every DEAD that is reported of healthy servers within so many seconds."""
    async with watching(*servers) as watch:
        await watch.acquainted()
        return [notice for notice in await watch.notices(seconds) if notice.sign is Sign.DEAD]


async def _print_notices(*servers: Server) -> None:
    """Print the senses and then each notice, one on a line, until killed."""
    async with watching(*servers) as watch:
        _print_line(await watch.acquainted())
        while True:
            _print_line(await watch.pulse.next())


def _print_line(value: object) -> None:
    sys.stdout.write(f"{value!r}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Drop all privileges and capabilities; everything is imported by now.
    os.setgroups([])
    os.setresgid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
    os.setresuid(_UNPRIVILEGED, _UNPRIVILEGED, _UNPRIVILEGED)
    asyncio.run(_print_notices(*(server(address) for address in sys.argv[1:])))
