"""Silence of a server that works or waits is left to its check; only a deadlock is a death."""

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
# No real server can be made to hang in each of these ways.
STUCK = """\
import ctypes, select, signal, socket, sys, threading, time
addresses, threads, how = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3]
for _ in range(threads):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
for server, address in zip(servers, addresses):
    server.bind((address, 53))
def in_the_kernel():
    # CLONE_VM, CLONE_VFORK: it waits in state D for the end of its child.
    libc, flags = ctypes.CDLL(None), 0x100 | 0x4000 | signal.SIGCHLD
    stack = ctypes.create_string_buffer(1 << 16)
    top = ctypes.c_void_p((ctypes.addressof(stack) + (1 << 16)) & ~15)
    libc.clone(libc.sleep, top, flags, ctypes.c_void_p(1000))
ways = {
    "deadlock": threading.Event().wait,
    "kernel": threading.Event().wait,
    "loop": lambda: None,
    "naps": lambda: time.sleep(0.01),
}
if how == "kernel":
    threading.Thread(target=in_the_kernel, daemon=True).start()
stuck = []
signal.signal(signal.SIGUSR1, lambda *_: stuck.append(1))
signal.signal(signal.SIGUSR2, lambda *_: stuck.clear())
print("ready", flush=True)
while True:
    for server in select.select(servers, [], [], 0.1)[0]:
        wire, client = server.recvfrom(512)
        server.sendto(wire[:2] + b"\\x81\\x85" + wire[4:6] + bytes(6) + wire[12:], client)
    while stuck:
        ways[how]()
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
                while "it is silent" not in (notice := await watch.pulse.next()).reason:
                    reported.append(notice.sign)
            reported += [notice.sign for notice in await watch.notices(1)]

            assert Sign.DEAD not in reported

    inside(host, lambda: asyncio.run(scenario()))


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    ("how", "reason"),
    [("loop", "processes run"), ("naps", "processes run"), ("kernel", "in the kernel (state D)")],
)
def test_a_silent_server_that_runs_or_waits_in_the_kernel_is_left_to_its_check(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any], how: str, reason: str
) -> None:
    silent = stuck(host, "127.0.0.1", how=how)

    async def scenario() -> None:
        async with watching() as watch:
            assert (await watch.acquainted()).processes
            os.kill(silent.pid, signal.SIGUSR1)
            async with asyncio.timeout(LONG):
                notice = await watch.pulse.next()
            assert notice.sign is Sign.CHANGED
            assert notice.reason.startswith("it is silent: ")
            assert reason in notice.reason
            assert not [one for one in await watch.notices(1) if one.sign is Sign.DEAD]

    inside(host, lambda: asyncio.run(scenario()))


@pytest.mark.fault(60)
def test_a_loop_under_load_is_left_to_its_check(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    looping = stuck(host, "127.0.0.1", how="loop")

    async def scenario() -> None:
        async with watching() as watch:
            assert (await watch.acquainted()).processes
            dnsperf.start(host, "127.0.0.1", seconds=LONG, outstanding=1000, patience=0.05)
            overflows = partial(host.udp, "RcvbufErrors")
            await asyncio.to_thread(eventually, overflows, within=20, why="its queue overflows")
            os.kill(looping.pid, signal.SIGUSR1)
            await watch.until(Sign.CHANGED, "it gets more queries than it can answer")
            assert not [one for one in await watch.notices(1) if one.sign is Sign.DEAD]

    inside(host, lambda: asyncio.run(scenario()))


@pytest.mark.fault(2)
def test_a_deadlock_of_many_threads_behind_many_addresses_is_detected(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    """Reading all of the threads must not make each burst late and start it again forever."""
    addresses = [f"127.0.0.{number}" for number in range(1, 13)]
    deadlocked = stuck(host, *addresses, how="deadlock", threads=400)

    async def scenario() -> None:
        async with watching(*(server(address) for address in addresses)) as watch:
            assert (await watch.acquainted()).processes
            os.kill(deadlocked.pid, signal.SIGUSR1)
            dead = [await watch.until(Sign.DEAD) for _ in addresses]
            assert {str(one.server.address) for one in dead} == {*addresses}

    inside(host, lambda: asyncio.run(scenario()))


def stuck(host: Host, *addresses: str, how: str, threads: int = 0) -> Daemon:
    """Start a server that hangs at SIGUSR1 in one of the `ways`; a loop ends at SIGUSR2."""
    argv = (sys.executable, "-c", STUCK, ",".join(addresses), str(threads), how)
    daemon = host.start(*argv, name="stuck")
    os.setpriority(os.PRIO_PROCESS, daemon.pid, -20)  # so that other tests do not delay it
    eventually(lambda: "ready" in daemon.log(), within=20)
    return daemon


def halves() -> tuple[set[int], set[int]]:
    """Return the CPUs for this process, and the one for the server."""
    every = sorted(os.sched_getaffinity(0))
    return set(every[:-1] or every), {every[-1]}
