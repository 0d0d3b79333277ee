"""What a pulse opens and closes, and what it does when it cannot ask."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

from anycast_routed.lab import Host, dns
from anycast_routed.observe.pulse import Pulse, Sign
from tests.support.open_files import descriptors
from tests.support.pulse_watch import server, watching

Inside = Callable[[Host, Callable[[], Any]], Any]


def test_a_query_that_cannot_be_sent_does_not_affect_other_servers(
    host: Host, inside: Inside
) -> None:
    dns.unbound(host)
    bad, good = server(query="x" * 70), server()

    async def scenario() -> None:
        async with watching(good, bad) as watch:
            assert (await watch.acquainted()).answers
            senses = watch.pulse.senses(bad)
            assert not senses.answers
            assert "no query can be sent" in senses.detail

    inside(host, lambda: asyncio.run(scenario()))


def test_without_descriptors_the_senses_are_off_and_come_back(host: Host, inside: Inside) -> None:
    answering = dns.unbound(host)

    async def scenario() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with watching() as watch:
            await watch.acquainted()
            open_now = descriptors()
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_now, hard))
            try:
                assert not [one for one in await watch.notices(0.5) if one.sign is Sign.DEAD]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            answering.daemon.pause()
            assert (await watch.until(Sign.DEAD)).sign is Sign.DEAD
            answering.daemon.resume()
            assert (await watch.until(Sign.ALIVE)).sign is Sign.ALIVE

    inside(host, lambda: asyncio.run(scenario()))


def test_nothing_is_opened_before_the_pulse_runs() -> None:
    before = descriptors()
    pulse = Pulse([server()])
    assert descriptors() == before
    assert pulse.senses(server()).detail.startswith("the pulse has not started")


def test_every_socket_is_closed_when_the_pulse_is_cancelled(host: Host, inside: Inside) -> None:
    answering = dns.unbound(host)

    async def scenario() -> None:
        before = descriptors()
        async with watching() as watch:
            await watch.acquainted()
            os.kill(answering.daemon.pid, signal.SIGSTOP)
            await watch.until(Sign.DEAD)
        assert descriptors() == before

    inside(host, lambda: asyncio.run(scenario()))
