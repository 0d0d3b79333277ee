"""A pulse under test, and what it has told so far."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from anycast_routed.observe.pulse import Notice, Pulse, Senses, Server, Sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_NOBODY = 65534


def server(  # noqa: PLR0913 - the fields of a Server
    address: str = "127.0.0.1",
    *,
    port: int = 53,
    query: str = "google.com.",
    rrtype: str = "SOA",
    interval: float = 0.05,
    pid_file: Path | None = None,
) -> Server:
    """Return the server that the lab starts, to be probed often so that tests are fast."""
    return Server(ip_address(address), port, query, rrtype, interval, pid_file)


class Watch:
    """A running pulse of one or more servers; the first is the one that is asked about."""

    def __init__(self, pulse: Pulse, server: Server) -> None:
        self.pulse = pulse
        self.server = server

    async def next(self, within: float = 3.0) -> Notice:
        """Return the next notice.

        Raises:
            TimeoutError: there was none in time.
        """
        async with asyncio.timeout(within):
            return await self.pulse.next()

    async def until(self, sign: Sign, within: float = 3.0) -> Notice:
        """Return the next notice with this sign, and drop those before it."""
        async with asyncio.timeout(within):
            while (notice := await self.pulse.next()).sign is not sign:
                pass
            return notice

    async def quiet(self, seconds: float) -> list[Notice]:
        """Return what is told within so many seconds, which should be nothing."""
        told: list[Notice] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    told.append(await self.pulse.next())
        return told

    async def acquainted(self, *, sockets: bool = True) -> Senses:
        """Wait until the pulse has come to know a healthy server; return its senses."""
        for _ in range(100):
            if self.pulse.senses(self.server).sockets is sockets:
                break
            await self.quiet(self.server.interval)
        # Six base probes teach it which questions are answered. A server that has just started may
        # be silent for a moment, and to say so is no fault.
        await self.quiet(20 * self.server.interval)
        self.pulse.judged(self.server)
        return self.pulse.senses(self.server)


@contextlib.asynccontextmanager
async def watching(*servers: Server) -> AsyncIterator[Watch]:
    """Run a pulse; a failure of it is the test's."""
    pulse = Pulse(servers or (server(),))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pulse.run())
        try:
            yield Watch(pulse, (servers or (server(),))[0])
        finally:
            running.cancel()


async def soak(seconds: float, *servers: Server) -> list[Notice]:
    """Return every DEAD that is told of healthy servers within so many seconds."""
    async with watching(*servers) as watch:
        await watch.acquainted()
        return [notice for notice in await watch.quiet(seconds) if notice.sign is Sign.DEAD]


async def _as_nobody(*servers: Server) -> None:
    """Print senses and notices, a line each."""
    async with watching(*servers) as watch:
        _tell(await watch.acquainted())
        while True:
            _tell(await watch.pulse.next())


def _tell(value: object) -> None:
    sys.stdout.write(f"{value!r}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # As an ordinary user who has no capabilities; by now everything is imported.
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    asyncio.run(_as_nobody(*(server(address) for address in sys.argv[1:])))
