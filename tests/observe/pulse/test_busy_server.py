"""Silence of a server that works: it is too busy to answer, or it goes round in circles."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anycast_routed.lab import Host, dns, eventually, load
from anycast_routed.observe.pulse import Sign, counters
from anycast_routed.observe.pulse.overload import Effort, excuse
from anycast_routed.system.commands import run
from tests.support.pulse_watch import server, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab.daemon import Daemon

integration = pytest.mark.integration
BEFORE = Effort(
    at=10.0, threads={7: (1.0, 1.0), 8: (50.0, 50.0)}, runnable=True, drops={21: 5, 22: 9}, reads=7
)
seconds = st.floats(0, 0.12)

some = st.integers(0, 100_000)
# No real server can be told to hang while its processes run.
STUCK = """\
import select, signal, socket, sys, threading
addresses, threads, circling = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3:]
for _ in range(threads):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
for server, address in zip(servers, addresses):
    server.bind((address, 53))
stuck = []
signal.signal(signal.SIGUSR1, lambda *_: stuck.append(1))
print("ready", flush=True)
while True:
    for server in select.select(servers, [], [], 0.1)[0]:
        wire, client = server.recvfrom(512)
        server.sendto(wire[:2] + b"\\x81\\x85" + wire[4:6] + bytes(6) + wire[12:], client)
    while stuck:
        if not circling:
            threading.Event().wait()
"""
READER = """\
import socket
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    reader = socket.socket(family, socket.SOCK_DGRAM)
    reader.bind((address, 0))
    writer = socket.socket(family, socket.SOCK_DGRAM)
    for _ in range(100):
        writer.sendto(b"", reader.getsockname())
    from anycast_routed.observe.pulse.counters import reads
    before = reads()
    for _ in range(100):
        reader.recv(512)
    print(reads() - before)
"""


def after(
    ran: float,
    waited: float,
    drops: int = 0,
    *,
    runnable: bool = False,
    reads: int | None = 1000,
) -> Effort:
    """Return what the kernel says after a silence of 120 ms; a thread and a socket are new."""
    known = {7: (1 + ran, 1 + waited), 9: (70.0, 70.0)}
    lost = {21: (5 + drops) % 2**32, 23: 10_000}
    return Effort(10.12, known, runnable, lost, None if reads is None else 7 + reads)


@given(ran=st.floats(0.011, 0.5), waited=st.floats(0, 0.059), runnable=st.booleans(), reads=some)
def test_one_that_is_not_asked_too_much_has_no_excuse_in_its_own_work(
    ran: float, waited: float, reads: int, *, runnable: bool
) -> None:
    assert not excuse(BEFORE, after(ran, waited, runnable=runnable, reads=reads))


@given(ran=st.floats(0, 0.02), waited=st.floats(0, 0.02), drops=some, reads=some)
def test_one_that_does_nothing_has_no_excuse(
    ran: float, waited: float, drops: int, reads: int
) -> None:
    assert not excuse(BEFORE, after(ran, waited, drops, reads=reads))


@given(ran=st.floats(0.011, 0.5), waited=seconds, drops=some, reads=st.integers(0, 7))
@example(ran=0.119, waited=0.0, drops=5000, reads=0)
def test_one_that_reads_nothing_has_no_excuse_in_its_work(
    ran: float, waited: float, drops: int, reads: int
) -> None:
    assert not excuse(BEFORE, after(ran, waited, drops, runnable=True, reads=reads))
    assert not excuse(BEFORE, replace(after(0, 0, drops, reads=reads), threads={}))


@given(ran=st.floats(0, 0.009), waited=st.floats(0.061, 0.2), drops=some, reads=st.none() | some)
def test_one_that_waits_for_a_processor_is_excused(
    ran: float, waited: float, drops: int, reads: int | None
) -> None:
    waits = "its processes wait for a processor"
    assert excuse(BEFORE, after(ran, waited, drops, reads=reads)) == waits
    assert excuse(BEFORE, after(ran, 0.0, drops, runnable=True, reads=reads)) == waits


def test_one_whose_workers_are_new_and_could_run_is_excused() -> None:
    """It was reloaded meanwhile, and the new ones have not had their turn."""
    new = replace(after(0, 0, runnable=True, reads=0), threads={9: (0.001, 0.0)})
    assert "wait for" in excuse(BEFORE, new)


@given(ran=seconds, waited=st.floats(0.061, 0.2), reads=st.none() | st.integers(8, 100_000))
def test_one_that_waits_between_its_work_is_excused(
    ran: float, waited: float, reads: int | None
) -> None:
    assert "wait for" in excuse(BEFORE, after(ran, waited, reads=reads))


@given(drops=st.integers(1, 2**32 - 1), reads=st.none() | st.integers(8, 100_000))
def test_one_that_works_and_loses_is_excused(drops: int, reads: int | None) -> None:
    too_much = "it is asked more than it can take"
    assert excuse(BEFORE, after(0.08, 0.05, drops, reads=reads)) == too_much
    assert excuse(BEFORE, after(0.02, 0.0, drops, runnable=True, reads=reads)) == too_much
    assert excuse(BEFORE, replace(after(0, 0, drops, reads=reads), threads={})) == too_much


@given(runnable=st.booleans(), reads=st.none() | some)
def test_a_socket_that_is_new_or_unknown_has_lost_nothing(
    reads: int | None, *, runnable: bool
) -> None:
    unseen = replace(BEFORE, drops={})
    now = after(0.08, 0.0, 50, runnable=runnable, reads=reads)
    assert not excuse(unseen, now)
    assert not excuse(BEFORE, replace(now, drops={}))


def test_threads_are_counted_and_no_more_than_wanted() -> None:
    stop = threading.Event()
    more = [threading.Thread(target=stop.wait) for _ in range(5)]
    for thread in more:
        thread.start()
    try:
        found, runnable = counters.threads(os.getpid(), 1000)
        few, _ = counters.threads(os.getpid(), 3)
    finally:
        stop.set()
    assert runnable  # it is we who look
    assert found[os.getpid()][0] > 0
    assert {thread.native_id for thread in more} <= found.keys()
    assert len(few) == 3


def test_no_process_has_no_threads() -> None:
    assert counters.threads(2**22 + 1, 100) == ({}, False)


def test_no_descriptor_is_our_trouble_and_not_the_servers() -> None:
    source = "import resource, os\n"
    source += "from anycast_routed.observe.pulse import counters\n"
    source += "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
    source += "for look in counters.reads, lambda: counters.threads(os.getpid(), 9):\n"
    source += "    try: look()\n"
    source += "    except OSError as error: print(error.errno)\n"
    done = run([sys.executable, "-c", source], within=20)
    assert done.out.split() == [str(errno.EMFILE)] * 2, done.err


@integration
def test_the_kernel_counts_what_is_read_and_not_what_lies_there(host: Host) -> None:
    assert host.run(sys.executable, "-c", READER).out.split() == ["100", "100"]


@integration
def test_what_is_read_in_another_namespace_counts_for_nothing(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    assert inside(host, counters.reads) == 0


@integration
@pytest.mark.fault(36)
def test_a_server_that_waits_for_a_processor_is_not_dead(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    """It has the least claim to its processor, which another program wants all of."""
    answering = dns.nsd(host)
    ours, its = halves()

    async def scenario() -> list[Sign]:
        os.sched_setaffinity(0, ours)
        async with watching() as watch:
            await watch.acquainted()
            busy = host.start(sys.executable, "-c", "while True: pass", name="busy")
            os.sched_setaffinity(busy.pid, its)
            for pid in (answering.daemon.pid, *answering.daemon.descendants()):
                os.sched_setaffinity(pid, its)
                os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
                claim(pid, 19)
            # One that is hardly ever asked is not kept waiting, however little its claim is.
            load.start(host, "127.0.0.1", seconds=3, clients=1, outstanding=1000, patience=0.1)

            told = await watch.quiet(3)

            assert any("wait for a processor" in one.reason for one in told), told
            return [one.sign for one in told]

    assert Sign.DEAD not in inside(host, lambda: asyncio.run(scenario()))


@integration
@pytest.mark.fault(2)
@pytest.mark.parametrize("loaded", [False, True], ids=["alone", "under load"])
def test_a_server_that_goes_round_in_circles_is_dead(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any], *, loaded: bool
) -> None:
    circling = stuck(host, "127.0.0.1", circles=True)

    async def scenario() -> None:
        async with watching() as watch:
            assert (await watch.acquainted()).processes
            os.setpriority(os.PRIO_PROCESS, circling.pid, -20)
            claim(circling.pid, -20)  # so that other tests are no hindrance
            if loaded:
                load.start(host, "127.0.0.1", seconds=5, outstanding=1000, patience=0.05)
                overflows = partial(host.udp, "RcvbufErrors")
                await asyncio.to_thread(eventually, overflows, within=5, why="its queue overflows")
            os.kill(circling.pid, signal.SIGUSR1)
            dead = await watch.until(Sign.DEAD)
            assert "no answer to" in dead.reason

    inside(host, lambda: asyncio.run(scenario()))


@integration
@pytest.mark.fault(2)
def test_a_deadlock_of_many_threads_behind_many_addresses_is_seen(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    """To look at all of them must not make us late, and so begin again for ever."""
    addresses = [f"127.0.0.{number}" for number in range(1, 13)]
    deadlocked = stuck(host, *addresses, threads=400)

    async def scenario() -> None:
        async with watching(*(server(address) for address in addresses)) as watch:
            assert (await watch.acquainted()).processes
            os.kill(deadlocked.pid, signal.SIGUSR1)
            dead = [await watch.until(Sign.DEAD) for _ in addresses]
            assert {str(one.server.address) for one in dead} == {*addresses}

    inside(host, lambda: asyncio.run(scenario()))


def stuck(host: Host, *addresses: str, threads: int = 0, circles: bool = False) -> Daemon:
    """Start a server that hangs at SIGUSR1: at a lock, or going round in circles."""
    argv = (sys.executable, "-c", STUCK, ",".join(addresses), str(threads))
    daemon = host.start(*argv, *(["circling"] if circles else []), name="stuck")
    eventually(lambda: "ready" in daemon.log(), within=10)
    return daemon


def claim(pid: int, nice: int) -> None:
    """Set the claim of a process's session, where the kernel shares time by sessions first."""
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(nice))


def halves() -> tuple[set[int], set[int]]:
    """Return the processors for us, and the one for the server."""
    all_of_them = sorted(os.sched_getaffinity(0))
    return set(all_of_them[:-1] or all_of_them), {all_of_them[-1]}
