"""When a check sends, how long it listens, and what it does when this host is in trouble."""

import asyncio
import os
import resource
import socket
import threading
import time
from contextlib import suppress
from itertools import pairwise
from statistics import median

import pytest

from anycast_routed.config import Dns
from anycast_routed.lab import eventually
from anycast_routed.model import CheckResult, Outcome
from anycast_routed.observe.checks.dns import check
from anycast_routed.observe.checks.dns_silence import ENOUGH, TRANSMISSIONS
from tests.observe.checks.on_time import on_time
from tests.observe.checks.scripted_server import (
    PATIENT,
    Client,
    Server,
    answering,
    question,
    reply,
    serving,
    silent,
    truncated,
)
from tests.support.open_files import descriptors


async def test_a_slow_reply_to_the_first_query_counts_while_later_queries_are_sent() -> None:
    """The server answers its first query when it has got as many as would prove its silence."""

    def slow(server: Server, _query: bytes, _client: Client) -> None:
        if len(server.packets) == ENOUGH:
            _, first, client = server.packets[0]
            server.udp.sendto(reply(first), client)

    async def attempt() -> CheckResult:
        with serving(slow) as server:
            return await check(question(server, 2))

    result = await on_time(attempt)
    assert (result.outcome, result.transport) == (Outcome.PASS, "udp"), result
    assert result.transmissions >= ENOUGH
    assert result.latency is not None
    assert result.latency > 0.1 * (ENOUGH - 1) - 0.05, "it is that of the first query"


async def test_without_a_reply_the_query_is_sent_evenly_from_new_ports_and_then_over_tcp() -> None:
    servers: list[Server] = []

    async def attempt() -> CheckResult:
        with serving(silent, lambda _connection, _query: None) as server:
            servers.append(server)
            began = time.monotonic()
            result = await check(question(server, 1.5))
            assert time.monotonic() - began >= 1.5
            return result

    result = await on_time(attempt)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "no reply within 1.5 s")
    assert result.transmissions == TRANSMISSIONS
    server = servers[-1]
    queries = [packet for packet in server.packets if packet[1]]
    assert len(queries) == TRANSMISSIONS - 1
    assert len({client for _, _, client in queries}) == len(queries)
    assert len({query[:2] for _, query, _ in queries}) >= len(queries) - 1
    gaps = [after[0] - before[0] for before, after in pairwise(queries)]
    assert 0.05 < median(gaps) < 0.15, "a gap is 75 ms"
    assert server.connections[0] > queries[-1][0]


async def test_a_refused_port_fails_at_the_first_query() -> None:
    with serving(silent) as server:
        port = server.port
    gone = Dns.model_validate({"ip": "127.0.0.1", "port": port, "query": ".", "timeout": PATIENT})
    result = await check(gone)
    assert result.reason == f"connection refused: nothing listens on 127.0.0.1 port {port}"
    assert result.transmissions <= 1


@pytest.mark.fault(14)
async def test_without_free_descriptors_the_result_is_unknown() -> None:
    with serving(silent) as server:
        asked = question(server, 0.2)  # pydantic opens files for its first model
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
        filling: list[socket.socket] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        try:
            with suppress(OSError):
                for _ in range(highest):
                    filling.append(socket.socket())  # noqa: PERF401 - until it fails
            result = await check(asked)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for filler in filling:
                filler.close()
    assert (result.outcome, result.transmissions) == (Outcome.UNKNOWN, 0)
    assert result.reason == "the check could not run: too many open files"


@pytest.mark.fault(36)
async def test_a_check_that_ran_late_is_unknown_and_not_a_failure() -> None:
    with serving(silent) as server:
        asyncio.get_running_loop().call_later(0.02, time.sleep, 0.5)
        result = await check(question(server, 0.4))
    assert result.outcome is Outcome.UNKNOWN, result
    assert result.reason.startswith("anycast-routed itself was late by ")


@pytest.mark.fault(36)
@pytest.mark.parametrize("noise", [0, 40])
async def test_a_reply_that_came_while_the_event_loop_was_late_counts(noise: int) -> None:
    replied = threading.Event()

    def answer(server: Server, query: bytes, client: Client) -> None:
        for _ in range(noise):
            server.udp.sendto(query, client)
        server.udp.sendto(reply(query), client)
        replied.set()

    def hold_up_the_loop() -> None:
        end = time.monotonic() + 0.6
        replied.wait(20)
        time.sleep(max(0.0, end - time.monotonic()))

    with serving(answer) as server:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, hold_up_the_loop)
        result = await check(question(server, 0.3))
    assert result.outcome is Outcome.PASS, result


async def test_every_socket_is_closed_on_every_path() -> None:
    def close(connection: socket.socket, _query: bytes) -> None:
        connection.close()

    with (
        serving(silent) as mute,
        serving(answering(reply)) as good,
        serving(answering(truncated), close) as closing,
        serving(answering(truncated)) as refusing,
    ):
        before = descriptors()
        for server in (mute, good, closing, refusing):
            await check(question(server, 0.1))
        for after in (0, 0.01, 0.05, 0.09):
            with suppress(TimeoutError):
                await asyncio.wait_for(check(question(mute, 0.1)), after)
        why = "the threads of the server close their sockets"
        eventually(lambda: descriptors() <= before, within=20, why=why)


async def test_a_question_that_cannot_be_a_dns_message_is_unknown() -> None:
    odd = Dns.model_construct(query="a..b.", rrtype="SOA", timeout=1.0)
    assert (await check(odd)).outcome is Outcome.UNKNOWN
