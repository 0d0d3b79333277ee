"""What the pulse reports of real servers that die, hang, restart or answer differently."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, Lab, dns, eventually, large_memory_dns
from anycast_routed.lab.programs import find
from anycast_routed.observe.pulse import Sign
from tests.support.pulse_watch import Watch, server

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.lab.dns import Dns

pytestmark = pytest.mark.integration

KNOT = """\
server:
  listen: 127.0.0.1@53
  rundir: "/run/knot"
database:
  storage: "/run/knot"
zone:
  - domain: google.com.
    file: "/etc/knot/google.com.zone"
"""
DROP = "table inet t { chain c { type filter hook input priority 0; th dport 53 drop; }; }"
LOG = "/run/unbound.log"
ATTEMPTS = 5
"""How often a hang is caused on a machine that may be too busy to show it."""

Observe = Callable[..., None]


def kill(daemon_server: Dns) -> None:
    """Send SIGKILL to all processes, and do not wait for their end."""
    for pid in (daemon_server.daemon.pid, *daemon_server.daemon.descendants()):
        os.kill(pid, signal.SIGKILL)


def start_knot(host: Host) -> int:
    """Start Knot DNS, and return its PID."""
    host.write("/etc/knot/knot.conf", KNOT)
    records = (
        "google.com. 60 IN SOA ns.invalid. h.invalid. 1 9 9 9 9\ngoogle.com. 60 IN NS ns.invalid.\n"
    )
    host.write("/etc/knot/google.com.zone", records)
    host.write("/run/knot/.keep", "")
    daemon = host.start(find("knotd"), "-c", "/etc/knot/knot.conf")
    eventually(lambda: daemon.check() and host.listens(53, protocol="udp"), within=20)
    return daemon.pid


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_killed_server_is_dead_and_alive_again_after_its_restart(
    host: Host, observe: Observe, start: Callable[[Host], Dns]
) -> None:
    answering = start(host)

    async def scenario(watch: Watch) -> None:
        senses = await watch.acquainted()
        assert (senses.sockets, senses.processes, senses.answers) == (True, True, True)
        assert senses.detail == ""
        kill(answering)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert dead.reason.startswith("nothing listens any more on ")
        assert not await watch.notices(0.3)
        await asyncio.to_thread(answering.restart)
        assert (await watch.next()).sign is Sign.ALIVE
        assert not [n for n in await watch.notices(0.5) if n.sign is not Sign.CHANGED]
        assert (await watch.acquainted()).sockets

    observe(scenario)


def test_a_server_is_observed_from_one_moment_to_another(host: Host, observe: Observe) -> None:
    first, second = dns.nsd(host), dns.unbound(host, address=["127.0.0.2"])

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        watch.pulse.observe(server("127.0.0.2"))
        watch.pulse.observe(server("127.0.0.2"))
        await watch.acquainted()
        kill(second)
        assert (await watch.next()).server == server("127.0.0.2")
        watch.pulse.forget(server("127.0.0.2"))
        watch.pulse.forget(server())
        watch.pulse.forget(server())
        kill(first)
        assert not await watch.notices(0.5)
        await asyncio.to_thread(first.restart)
        watch.pulse.observe(server())
        await watch.acquainted()
        kill(first)
        assert (await watch.next()).sign is Sign.DEAD

    observe(scenario)


def test_knot_is_observed_too(host: Host, observe: Observe) -> None:
    pid = start_knot(host)

    async def scenario(watch: Watch) -> None:
        assert (await watch.acquainted()).processes
        os.kill(pid, signal.SIGSTOP)
        assert "is stopped" in (await watch.next()).reason
        os.kill(pid, signal.SIGCONT)
        assert (await watch.next()).sign is Sign.ALIVE
        os.kill(pid, signal.SIGKILL)
        assert "nothing listens any more" in (await watch.until(Sign.DEAD)).reason

    observe(scenario)


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_stopped_server_is_dead_because_of_its_state_in_proc(
    host: Host, observe: Observe, start: Callable[[Host], Dns]
) -> None:
    answering = start(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        answering.daemon.pause(whole=True)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert "is stopped" in dead.reason
        assert not await watch.notices(0.3)
        answering.daemon.resume()
        assert (await watch.next()).sign is Sign.ALIVE

    observe(scenario)


def test_a_server_with_one_stopped_worker_of_two_is_not_dead(host: Host, observe: Observe) -> None:
    answering = dns.nsd(host, workers=2)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        workers = answering.workers()
        assert len(workers) == 2
        for stuck in workers:
            os.kill(stuck, signal.SIGSTOP)
            # Long enough for the base probes to switch to the port of the other worker.
            assert not await watch.notices(3)
            os.kill(stuck, signal.SIGCONT)
        # The parents hold the sockets and are not stopped, so that only the silence is evidence.
        for _ in range(ATTEMPTS):
            for stuck in workers:
                os.kill(stuck, signal.SIGSTOP)
            if await watch.dies():
                return
            for stuck in workers:
                os.kill(stuck, signal.SIGCONT)
            await watch.acquainted()
        pytest.fail("that both workers are stopped was never reported")

    observe(scenario)


@pytest.mark.fault(3)
def test_a_server_whose_packets_are_dropped_is_left_to_its_check(
    host: Host, observe: Observe
) -> None:
    dns.unbound(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        host.run("nft", DROP)
        notice = await watch.next()
        assert notice.sign is Sign.CHANGED
        assert notice.reason == "it is silent: its queues do not fill up"
        assert not await watch.notices(0.5)
        host.run("nft", "flush", "ruleset")
        assert not [one for one in await watch.notices(0.5) if one.sign is not Sign.CHANGED]

    observe(scenario)


@pytest.mark.fault(2)
def test_a_server_that_waits_for_a_reader_of_its_log_is_dead(host: Host, observe: Observe) -> None:
    """A real deadlock: nobody reads the pipe that the server logs each question to."""
    host.run("mkfifo", LOG)
    pipe = os.open(host.path(LOG), os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
    dns.unbound(host, extra=f'server:\n  logfile: "{LOG}"\n  log-queries: yes')

    async def scenario(watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe, os.read, pipe, 1 << 16)
        await watch.acquainted()
        for _ in range(ATTEMPTS):
            loop.remove_reader(pipe)
            dies = await watch.dies()
            loop.add_reader(pipe, os.read, pipe, 1 << 16)
            if dies:
                assert (await watch.until(Sign.ALIVE)).sign is Sign.ALIVE
                return
            await watch.acquainted()
        pytest.fail("that it waits for its log was never reported")

    try:
        observe(scenario)
    finally:
        os.close(pipe)


@pytest.mark.fault(2)
def test_a_server_in_a_frozen_cgroup_is_dead_until_it_is_thawed(
    host: Host, observe: Observe, cgroup: Path
) -> None:
    answering = dns.unbound(host)
    (cgroup / "cgroup.procs").write_text(str(answering.daemon.pid))

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        for _ in range(ATTEMPTS):
            (cgroup / "cgroup.freeze").write_text("1")
            dies = await watch.dies()
            (cgroup / "cgroup.freeze").write_text("0")
            if dies:
                assert (await watch.until(Sign.ALIVE)).sign is Sign.ALIVE
                return
            await watch.acquainted()
        pytest.fail("that it is frozen was never reported")

    observe(scenario)


def test_a_big_process_is_dead_before_its_sockets_close(host: Host, observe: Observe) -> None:
    daemon = large_memory_dns.start(host, gib=0.5)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        os.kill(daemon.pid, signal.SIGKILL)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        # Which of these comes first depends on how fast the kernel frees memory.
        assert any(word in dead.reason for word in ("exiting", "zombie", "nothing listens"))

    observe(scenario, server(interval=0.02))


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_servfail_is_a_change_that_is_reported_once(
    host: Host, observe: Observe, start: Callable[[Host], Dns]
) -> None:
    answering = start(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        await asyncio.to_thread(answering.servfail, "google.com.")
        # NSD refuses for a moment, until it notices that it cannot load its zone.
        changed = await watch.until(Sign.CHANGED, "it answers SERVFAIL")
        before = "it answers SERVFAIL without records, and before NOERROR with records"
        assert changed.reason == before
        more = [notice.reason for notice in await watch.notices(0.5)]
        assert not [reason for reason in more if "REFUSED" not in reason]
        watch.pulse.judged(watch.server)
        assert not await watch.notices(0.3)
        await asyncio.to_thread(answering.heal, "google.com.")
        await watch.until(Sign.CHANGED, "it answers NOERROR with records")

    observe(scenario)


def test_a_server_that_is_down_from_the_beginning_is_dead_until_it_starts(
    host: Host, observe: Observe
) -> None:
    async def scenario(watch: Watch) -> None:
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert dead.reason == "connection refused: nothing listens on 127.0.0.1 port 53"
        senses = watch.pulse.senses(watch.server)
        assert not senses.sockets
        assert "no listening socket on this host" in senses.detail
        await asyncio.to_thread(dns.unbound, host)
        assert (await watch.next()).sign is Sign.ALIVE
        assert (await watch.acquainted()).sockets

    observe(scenario)


def test_a_server_in_another_namespace_is_dead_by_its_refusals_and_not_by_its_silence(
    lab: Lab, host: Host, observe: Observe
) -> None:
    other = lab.host("dns2")
    lab.lan("lan", host, other)
    host.address("eth0", "172.17.2.1/24")
    other.address("eth0", "172.17.2.2/24")
    answering = dns.unbound(other, address=("172.17.2.2",))
    dns.unbound(host, address=("0.0.0.0",))  # noqa: S104 - another server, though on all addresses

    async def scenario(watch: Watch) -> None:
        senses = await watch.acquainted(sockets=False)
        assert (senses.sockets, senses.processes, senses.answers) == (False, False, True)
        assert "in another namespace or host" in senses.detail
        answering.daemon.pause()
        assert (await watch.next()).reason == "it is silent: its processes are unknown"
        answering.daemon.resume()
        kill(answering)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert "refused" in dead.reason

    observe(scenario, server("172.17.2.2"))
