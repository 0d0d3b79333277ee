"""After a truncated reply the check goes over TCP, where a server may do anything."""

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

from anycast_routed.model import Outcome
from anycast_routed.observe.checks.dns import check
from tests.observe.checks.on_time import on_time
from tests.observe.checks.scripted_server import (
    PATIENT,
    answering,
    question,
    reply,
    serving,
    truncated,
)
from tests.support.malformed_replies import MALFORMED

CLOSED = "the connection was closed before the reply was complete"
INVALID = "the reply is invalid: "


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _query: b"", CLOSED),
        (lambda _query: b"\0", CLOSED),
        (lambda query: b"\xff\xff" + reply(query), CLOSED),
        (lambda _query: b"\0\0", f"{INVALID}only 0 octets"),
        (lambda query: b"\0\x10" + reply(query), f"{INVALID}malformed"),
        (lambda query: b"\0\x0cxx" + reply(query), f"{INVALID}another ID"),
    ],
    ids=["nothing", "half a length", "cut off", "length 0", "cut by its length", "another ID"],
)
async def test_an_invalid_reply_over_tcp_is_a_failure(
    answer: Callable[[bytes], bytes], reason: str
) -> None:
    def tcp(connection: socket.socket, query: bytes) -> None:
        connection.sendall(answer(query))

    with serving(answering(truncated), tcp) as server:
        result = await check(question(server, PATIENT))
    assert (result.outcome, result.transmissions) == (Outcome.FAIL, 2)
    assert result.reason.startswith(f"truncated over UDP, and TCP failed: {reason}")


@pytest.mark.fault(9)
async def test_every_malformed_reply_over_tcp_is_a_failure_at_once() -> None:
    waiting = list(MALFORMED.values())

    def tcp(connection: socket.socket, query: bytes) -> None:
        packet = query[:2] + waiting.pop()[2:]
        connection.sendall(len(packet).to_bytes(2) + packet)

    with serving(answering(truncated), tcp) as server:
        while waiting:
            packet = waiting[-1]
            result = await check(question(server, PATIENT))
            assert (result.outcome, result.transmissions) == (Outcome.FAIL, 2), packet
            why = "truncated over UDP, and TCP failed: the reply is invalid"
            assert result.reason.startswith(why), packet
            assert result.reason.isprintable()


@pytest.mark.fault(9)
@pytest.mark.parametrize("lie", [b"\xff\xff", b"\0", b""], ids=["too long", "half", "nothing"])
async def test_a_tcp_reply_that_never_completes_takes_no_longer_than_the_timeout(
    lie: bytes,
) -> None:
    checked = threading.Event()

    def tcp(connection: socket.socket, _query: bytes) -> None:
        connection.sendall(lie)
        checked.wait(60)

    with serving(answering(truncated), tcp) as server:
        try:
            # The server holds the connection until the check has returned.
            async with asyncio.timeout(50):
                result = await on_time(lambda: check(question(server, 0.4)))
        finally:
            checked.set()
    assert result.outcome is Outcome.FAIL
    assert result.reason == "truncated over UDP, and TCP gave no reply within 0.4 s"


async def test_a_reply_over_tcp_may_come_in_pieces() -> None:
    def tcp(connection: socket.socket, query: bytes) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = reply(query, flags=0x8380)
        for octet in len(whole).to_bytes(2) + whole:
            connection.sendall(bytes([octet]))

    with serving(answering(truncated), tcp) as server:
        result = await check(question(server, PATIENT))
    assert (result.outcome, result.transport, result.transmissions) == (Outcome.PASS, "tcp", 2)
