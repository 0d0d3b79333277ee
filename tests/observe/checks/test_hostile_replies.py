"""A check ignores forged and malformed packets over UDP, and they cost it no query."""

import os
import socket

import pytest

from anycast_routed.model import Outcome
from anycast_routed.observe.checks.dns import check
from tests.observe.checks.on_time import on_time
from tests.observe.checks.scripted_server import (
    PATIENT,
    TYPE_A,
    TYPE_SOA,
    Client,
    Server,
    question,
    reply,
    serving,
)
from tests.support.malformed_replies import MALFORMED


@pytest.mark.fault(8, 9)
async def test_forged_packets_before_the_reply_are_ignored_and_cost_no_query() -> None:
    def forge(server: Server, query: bytes, client: Client) -> None:
        good = reply(query)
        refused = good[:3] + b"\x85" + good[4:]
        with socket.socket(type=socket.SOCK_DGRAM) as elsewhere:
            elsewhere.sendto(refused, client)
        for number in range(50):
            forged = (
                (int.from_bytes(query[:2]) ^ (number + 1)).to_bytes(2) + refused[2:],
                refused.replace(b"\x06google", b"\x06goggle"),
                refused.replace(TYPE_SOA, TYPE_A, 1),
                query,
                good[: len(good) - number % 20 - 1],
                query[:2] + os.urandom(60),
                query[: number % 12],
            )
            if packet := forged[number % len(forged)]:
                server.udp.sendto(packet, client)
        server.udp.sendto(good, client)

    with serving(forge) as server:
        result = await check(question(server, PATIENT))
    assert (result.outcome, result.transmissions) == (Outcome.PASS, 1), result


@pytest.mark.fault(9)
async def test_malformed_packets_before_the_reply_are_ignored_and_cost_no_query() -> None:
    def malform(server: Server, query: bytes, client: Client) -> None:
        for packet in MALFORMED.values():
            server.udp.sendto((query[:2] + packet[2:])[:60_000], client)
        server.udp.sendto(reply(query), client)

    with serving(malform) as server:
        result = await check(question(server, PATIENT))
    assert (result.outcome, result.transmissions) == (Outcome.PASS, 1), result


async def test_a_check_without_a_reply_reports_the_packets_that_it_ignored() -> None:
    def wrong(server: Server, query: bytes, client: Client) -> None:
        server.udp.sendto(reply(query).replace(TYPE_SOA, TYPE_A, 1), client)

    with serving(wrong) as server:
        result = await on_time(lambda: check(question(server, 0.3)))
    assert result.outcome is Outcome.FAIL, result
    assert result.reason.startswith("no reply within 0.3 s; packets ignored: ")
    assert result.reason.endswith("the last: another question")
