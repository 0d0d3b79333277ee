"""Sockets on this machine, and the pulse of servers in a host of the lab."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from anycast_routed.lab import Host
from anycast_routed.observe.pulse import Server
from tests.support.pulse_watch import Watch, watching


@pytest.fixture
def bound() -> Iterator[Callable[[str, int], socket.socket]]:
    """Bind UDP sockets, and close them at the end of the test."""
    with contextlib.ExitStack() as stack:

        def bind(address: str, port: int = 0) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            return made

        yield bind


@pytest.fixture
def observe(host: Host, inside: Callable[[Host, Callable[[], Any]], Any]) -> Callable[..., None]:
    """Run a scenario inside the host, with the pulse of these servers; by default of 127.0.0.1."""

    async def run_with_pulse(
        scenario: Callable[[Watch], Coroutine[Any, Any, None]], servers: tuple[Server, ...]
    ) -> None:
        async with watching(*servers) as watch:
            await scenario(watch)

    def run(scenario: Callable[[Watch], Coroutine[Any, Any, None]], *servers: Server) -> None:
        inside(host, lambda: asyncio.run(run_with_pulse(scenario, servers)))

    return run
