"""Silence of a server that works: it is too busy to answer, or it is in an endless loop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Host, dns, dnsperf, eventually
from anycast_routed.observe.pulse import Sign
from tests.support.pulse_watch import server, set_autogroup, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab.daemon import Daemon

pytestmark = pytest.mark.integration

LONG = 60.0
"""Seconds of load; it is stopped as soon as the test has seen what it waits for."""
_ATTEMPTS = 5
# No real server can be made to hang while its processes run.
STUCK = """\
import select, signal, socket, sys, threading
addresses, threads, looping = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3:]
for _ in range(threads):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
for server, address in zip(servers, addresses):
    server.bind((address, 53))
stuck = []
signal.signal(signal.SIGUSR1, lambda *_: stuck.append(1))
signal.signal(signal.SIGUSR2, lambda *_: stuck.clear())
print("ready", flush=True)
while True:
    for server in select.select(servers, [], [], 0.1)[0]:
        wire, client = server.recvfrom(512)
        server.sendto(wire[:2] + b"\\x81\\x85" + wire[4:6] + bytes(6) + wire[12:], client)
    while stuck:
        if not looping:
            threading.Event().wait()
"""


@pytest.mark.fault(36)
def test_a_server_that_waits_for_a_cpu_is_not_dead(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    """The server has the lowest priority on a CPU that another program uses all of."""
    answering = dns.nsd(host)
    pids = (answering.daemon.pid, *answering.daemon.descendants())
    ours, the_servers = halves()

    async def scenario() -> None:
        os.sched_setaffinity(0, ours)
        async with watching() as watch:
            await watch.acquainted()
            busy = host.start(sys.executable, "-c", "while True: pass", name="busy")
            os.sched_setaffinity(busy.pid, the_servers)
            for pid in pids:
                os.sched_setaffinity(pid, the_servers)
                os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
                set_autogroup(pid, 19)
            # A server that is hardly ever asked gets the CPU at once, even with this priority.
            dnsperf.start(
                host, "127.0.0.1", seconds=LONG, clients=1, outstanding=1000, patience=0.1
            )

            reported: list[Sign] = []
            async with asyncio.timeout(LONG):
                while "wait for a CPU" not in (notice := await watch.pulse.next()).reason:
                    reported.append(notice.sign)
            reported += [notice.sign for notice in await watch.notices(1)]

            assert Sign.DEAD not in reported

    inside(host, lambda: asyncio.run(scenario()))


@pytest.mark.fault(2)
@pytest.mark.parametrize("loaded", [False, True], ids=["alone", "under load"])
def test_a_server_in_an_endless_loop_is_dead(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any], *, loaded: bool
) -> None:
    looping = stuck(host, "127.0.0.1", loops=True)

    async def scenario() -> None:
        async with watching() as watch:
            assert (await watch.acquainted()).processes
            if loaded:
                dnsperf.start(host, "127.0.0.1", seconds=LONG, outstanding=1000, patience=0.05)
                overflows = partial(host.udp, "RcvbufErrors")
                await asyncio.to_thread(eventually, overflows, within=20, why="its queue overflows")
            for _ in range(_ATTEMPTS):
                os.kill(looping.pid, signal.SIGUSR1)
                if await watch.dies():
                    return
                os.kill(looping.pid, signal.SIGUSR2)
                await watch.acquainted()
            pytest.fail("an endless loop was never reported")

    inside(host, lambda: asyncio.run(scenario()))


@pytest.mark.fault(2)
def test_a_deadlock_of_many_threads_behind_many_addresses_is_detected(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    """Reading all of the threads must not make each burst late and start it again forever."""
    addresses = [f"127.0.0.{number}" for number in range(1, 13)]
    deadlocked = stuck(host, *addresses, threads=400)

    async def scenario() -> None:
        async with watching(*(server(address) for address in addresses)) as watch:
            assert (await watch.acquainted()).processes
            os.kill(deadlocked.pid, signal.SIGUSR1)
            dead = [await watch.until(Sign.DEAD) for _ in addresses]
            assert {str(one.server.address) for one in dead} == {*addresses}

    inside(host, lambda: asyncio.run(scenario()))


def stuck(host: Host, *addresses: str, threads: int = 0, loops: bool = False) -> Daemon:
    """Start a server that hangs at SIGUSR1: at a lock, or in a loop that ends at SIGUSR2."""
    argv = (sys.executable, "-c", STUCK, ",".join(addresses), str(threads))
    daemon = host.start(*argv, *(["looping"] if loops else []), name="stuck")
    os.setpriority(os.PRIO_PROCESS, daemon.pid, -20)  # so that other tests do not delay it
    eventually(lambda: "ready" in daemon.log(), within=20)
    return daemon


def halves() -> tuple[set[int], set[int]]:
    """Return the CPUs for this process, and the one for the server."""
    every = sorted(os.sched_getaffinity(0))
    return set(every[:-1] or every), {every[-1]}
