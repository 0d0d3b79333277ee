"""Silence of a server that works: it is too busy to answer, or it goes round in circles."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulse_watch import watching

from anycast_routed.lab import Host, dns, eventually, load
from anycast_routed.observe.pulse import Sign
from anycast_routed.observe.pulse.effort import Effort, excuse

if TYPE_CHECKING:
    from collections.abc import Callable

integration = pytest.mark.integration
BEFORE = Effort(at=10.0, drops=5, threads={7: (1.0, 1.0), 8: (50.0, 50.0)}, runnable=True)
seconds = st.floats(0, 0.12)

IN_CIRCLES = """\
import signal, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
circles = []
signal.signal(signal.SIGUSR1, lambda *_: circles.append(1))
server.settimeout(0.1)
while True:
    try:
        wire, client = server.recvfrom(512)
        server.sendto(wire[:2] + b"\\x81\\x85" + wire[4:6] + bytes(6) + wire[12:], client)
    except TimeoutError:
        pass
    while circles:
        pass
"""


def after(ran: float, waited: float, drops: int = 0, *, runnable: bool = False) -> Effort:
    """Return what the kernel says after a silence of 120 ms, in which one thread has ended."""
    threads = {7: (1 + ran, 1 + waited), 9: (70.0, 70.0)}
    return Effort(10.12, (5 + drops) % 2**32, threads, runnable)


@given(ran=st.floats(0.011, 0.5), waited=seconds, runnable=st.booleans())
def test_one_that_is_not_asked_too_much_has_no_excuse_in_its_own_work(
    ran: float, waited: float, *, runnable: bool
) -> None:
    assert not excuse(BEFORE, after(ran, waited, runnable=runnable))


@given(ran=st.floats(0, 0.02), waited=st.floats(0, 0.02), drops=st.integers(0, 100_000))
def test_one_that_does_nothing_has_no_excuse(ran: float, waited: float, drops: int) -> None:
    assert not excuse(BEFORE, after(ran, waited, drops))


@given(ran=st.floats(0, 0.009), waited=st.floats(0.061, 0.2), drops=st.integers(0, 1000))
def test_one_that_waits_for_a_processor_is_excused(ran: float, waited: float, drops: int) -> None:
    waits = "its processes wait for a processor"
    assert excuse(BEFORE, after(ran, waited, drops)) == waits
    assert excuse(BEFORE, after(ran, 0.0, drops, runnable=True)) == waits


@given(drops=st.integers(1, 2**32 - 1))
def test_one_that_works_and_loses_is_excused(drops: int) -> None:
    too_much = "it is asked more than it can take"
    assert excuse(BEFORE, after(0.05, 0.05, drops)) == too_much
    assert excuse(BEFORE, after(0.02, 0.0, drops, runnable=True)) == too_much
    unknown = Effort(10.12, (5 + drops) % 2**32, {}, runnable=False)
    assert excuse(BEFORE, unknown) == too_much


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
def test_a_server_that_goes_round_in_circles_is_dead(
    host: Host, inside: Callable[[Host, Callable[[], Any]], Any]
) -> None:
    circling = host.start(sys.executable, "-c", IN_CIRCLES, name="circling")
    eventually(lambda: host.listens(53, protocol="udp"), within=5)

    async def scenario() -> None:
        async with watching() as watch:
            assert (await watch.acquainted()).processes
            os.setpriority(os.PRIO_PROCESS, circling.pid, -20)
            claim(circling.pid, -20)  # so that other tests are no hindrance
            os.kill(circling.pid, signal.SIGUSR1)
            dead = await watch.until(Sign.DEAD)
            assert "no answer to" in dead.reason

    inside(host, lambda: asyncio.run(scenario()))


def claim(pid: int, nice: int) -> None:
    """Set the claim of a process's session, where the kernel shares time by sessions first."""
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(nice))


def halves() -> tuple[set[int], set[int]]:
    """Return the processors for us, and the one for the server."""
    all_of_them = sorted(os.sched_getaffinity(0))
    return set(all_of_them[:-1] or all_of_them), {all_of_them[-1]}
