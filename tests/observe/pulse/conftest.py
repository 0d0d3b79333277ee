"""The pulse of servers in a host of the lab."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from anycast_routed.lab import Host
from anycast_routed.observe.pulse import Server
from tests.support.pulse_watch import Watch, watching


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
