"""Servers that are slow, overloaded or half reachable, which the pulse must not report as dead."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Host, dns, eventually
from anycast_routed.lab.programs import find
from anycast_routed.observe.pulse import Sign
from tests.support.pulse_watch import Watch, server, soak

if TYPE_CHECKING:
    from anycast_routed.lab.dns import Dns

pytestmark = pytest.mark.integration

SOAK = float(os.environ.get("ANYCAST_ROUTED_SOAK_SECONDS", "2"))
"""Seconds during which a saturated server must not be reported as dead."""
DROP_UDP = "table inet t { chain c { type filter hook input priority 0; udp dport 53 drop; }; }"
SLOW = """\
import socket, time
late = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
late.bind(("127.0.0.1", 5300))
while True:
    wire, client = late.recvfrom(512)
    time.sleep(0.4)
    end = 12 + wire[12:].index(0) + 5
    answer = b"\\xc0\\x0c" + wire[end - 4 : end] + bytes(4) + b"\\0\\x04" + bytes(4)
    late.sendto(wire[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0" + wire[12:end] + answer, client)
"""
FORWARDING = """\
server:
  local-zone: "slow." transparent
  do-not-query-localhost: no
forward-zone:
  name: "slow."
  forward-addr: 127.0.0.1@5300
"""

Inside = Callable[[Host, Callable[[], Any]], Any]
Observe = Callable[..., None]


@pytest.mark.fault(12)
def test_a_server_that_answers_over_tcp_alone_is_not_dead(host: Host, observe: Observe) -> None:
    dns.unbound(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        host.run("nft", DROP_UDP)
        assert not await watch.notices(1)

    observe(scenario)


def test_a_server_that_always_refuses_is_alive(host: Host, observe: Observe) -> None:
    dns.nsd(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        for _ in range(3):
            assert not await watch.notices(0.3)
            watch.pulse.judged(watch.server)

    observe(scenario, server(query="elsewhere.example."))


@pytest.mark.fault(36)
def test_a_server_is_not_dead_because_the_event_loop_was_late(host: Host, observe: Observe) -> None:
    dns.unbound(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        for _ in range(5):
            time.sleep(0.3)  # noqa: ASYNC251 - the event loop is held up on purpose
            assert not await watch.notices(0.2)

    observe(scenario)


def test_a_resolver_that_waits_for_slow_servers_is_not_dead(host: Host, observe: Observe) -> None:
    host.start(sys.executable, "-c", SLOW, name="late")
    eventually(lambda: host.listens(5300, protocol="udp"), within=20)
    dns.unbound(host, extra=FORWARDING)
    slow = server(query="www.slow.", rrtype="A")

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        # TTL 0: nothing is cached, so that the answer to each base probe takes 400 ms.
        assert [n for n in await watch.notices(3) if n.sign is Sign.DEAD] == []

    observe(scenario, slow)


@pytest.mark.fault(36)
@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_saturated_server_is_not_dead(
    host: Host, inside: Inside, start: Callable[[Host], Dns]
) -> None:
    start(host)
    host.write("/etc/questions", "google.com SOA\n")
    # Far more queries are outstanding than the server's queue holds, and each is soon given up.
    many = ("-l", "60", "-c", "50", "-q", "20000", "-t", "0.1", "-O", "suppress=timeout")
    flood = host.start(find("dnsperf"), "-s", "127.0.0.1", "-d", "/etc/questions", *many)
    overflow = "the queue of the server overflows"
    eventually(lambda: host.udp("RcvbufErrors"), within=20, why=overflow)
    dead = inside(host, lambda: asyncio.run(soak(SOAK, server(interval=0.1))))
    assert dead == []
    assert flood.alive, "it was overloaded all the time"
