"""The pulse of real servers: killed, hung, unheard, unwell, overloaded, elsewhere."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Host, Lab, dns, eventually, large_memory_dns
from anycast_routed.lab.programs import find
from anycast_routed.observe.pulse import Server, Sign
from tests.support import pulse_watch
from tests.support.pulse_watch import Watch, server, watching

if TYPE_CHECKING:
    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.dns import Dns

pytestmark = pytest.mark.integration

SOAK = float(os.environ.get("ANYCAST_ROUTED_SOAK_SECONDS", "2"))
"""How long a saturated server must not be taken for dead."""
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
DROP = "table inet t { chain c { type filter hook input priority 0; dport 53 drop; }; }"

Inside = Callable[[Host, Callable[[], Any]], Any]
Scenario = Callable[[Watch], Coroutine[Any, Any, None]]
Feel = Callable[..., None]


@pytest.fixture
def feel(host: Host, inside: Inside) -> Feel:
    """Run a scenario inside the host's network, with the pulse of the server there, or of those."""

    async def feel(scenario: Scenario, servers: tuple[Server, ...]) -> None:
        async with watching(*servers) as watch:
            await scenario(watch)

    def run(scenario: Scenario, *servers: Server) -> None:
        inside(host, lambda: asyncio.run(feel(scenario, servers)))

    return run


def kill(daemon_server: Dns) -> None:
    """SIGKILL, without a wait for the end."""
    for pid in (daemon_server.daemon.pid, *daemon_server.daemon.descendants()):
        os.kill(pid, signal.SIGKILL)


def knot(host: Host) -> int:
    host.write("/etc/knot/knot.conf", KNOT)
    records = (
        "google.com. 60 IN SOA ns.invalid. h.invalid. 1 9 9 9 9\ngoogle.com. 60 IN NS ns.invalid.\n"
    )
    host.write("/etc/knot/google.com.zone", records)
    host.write("/run/knot/.keep", "")
    daemon = host.start(find("knotd"), "-c", "/etc/knot/knot.conf")
    eventually(lambda: daemon.check() and host.listens(53, protocol="udp"), within=10)
    return daemon.pid


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_killed_server_is_dead_and_then_alive(
    host: Host, feel: Feel, start: Callable[[Host], Dns]
) -> None:
    answering = start(host)

    async def scenario(watch: Watch) -> None:
        senses = await watch.acquainted()
        assert (senses.sockets, senses.processes, senses.answers) == (True, True, True)
        assert senses.detail == ""
        began = time.monotonic()
        kill(answering)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert dead.reason.startswith("nothing listens any more on ")
        assert dead.at - began < 0.5
        assert not await watch.quiet(0.3)
        await asyncio.to_thread(answering.restart)
        assert (await watch.next()).sign is Sign.ALIVE
        assert not [n for n in await watch.quiet(0.5) if n.sign is not Sign.CHANGED]
        assert watch.pulse.senses(watch.server).sockets

    feel(scenario)


def test_knot_is_watched_too(host: Host, feel: Feel) -> None:
    pid = knot(host)

    async def scenario(watch: Watch) -> None:
        assert (await watch.acquainted()).processes
        os.kill(pid, signal.SIGSTOP)
        assert "is stopped" in (await watch.next()).reason
        os.kill(pid, signal.SIGCONT)
        assert (await watch.next()).sign is Sign.ALIVE
        os.kill(pid, signal.SIGKILL)
        assert "nothing listens any more" in (await watch.until(Sign.DEAD)).reason

    feel(scenario)


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_stopped_server_is_dead_by_the_word_of_proc(
    host: Host, feel: Feel, start: Callable[[Host], Dns]
) -> None:
    answering = start(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        answering.daemon.pause(whole=True)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert "is stopped" in dead.reason
        assert not await watch.quiet(0.3)
        answering.daemon.resume()
        assert (await watch.next()).sign is Sign.ALIVE

    feel(scenario)


def test_one_stopped_worker_of_two_is_not_the_server(host: Host, feel: Feel) -> None:
    answering = dns.nsd(host, workers=2)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        workers = answering.workers()
        assert len(workers) == 2
        for stuck in workers:
            os.kill(stuck, signal.SIGSTOP)
            assert not await watch.quiet(3)  # long enough to go over to the other's port
            os.kill(stuck, signal.SIGCONT)
        for stuck in workers:
            os.kill(stuck, signal.SIGSTOP)
        # The parents live on and hold the sockets, so that it is the silence that tells.
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert "no answer to" in dead.reason

    feel(scenario)


def test_dropped_packets_are_silence(host: Host, feel: Feel) -> None:
    dns.unbound(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        host.run("nft", DROP.replace("dport", "th dport"))
        dead = await watch.next()
        assert (dead.sign, dead.reason[:12]) == (Sign.DEAD, "no answer to")
        host.run("nft", "flush", "ruleset")
        assert (await watch.next()).sign is Sign.ALIVE

    feel(scenario)


@pytest.mark.fault(12)
def test_udp_alone_being_silent_is_no_death(host: Host, feel: Feel) -> None:
    dns.unbound(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        host.run("nft", DROP.replace("dport", "udp dport"))
        assert not await watch.quiet(1)

    feel(scenario)


def test_a_big_process_is_dead_before_its_sockets_close(host: Host, feel: Feel) -> None:
    daemon = large_memory_dns.start(host, gib=0.5)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        os.kill(daemon.pid, signal.SIGKILL)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        # Which of the two comes first depends on how fast the kernel frees memory.
        assert any(word in dead.reason for word in ("exiting", "zombie", "nothing listens"))

    feel(scenario, server(interval=0.02))


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_servfail_is_a_change_told_once(
    host: Host, feel: Feel, start: Callable[[Host], Dns]
) -> None:
    answering = start(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        await asyncio.to_thread(answering.servfail, "google.com.")
        told = await watch.quiet(1)
        # NSD refuses for a moment before it has noticed that its zone cannot be loaded.
        reasons = [notice.reason for notice in told if "REFUSED" not in notice.reason]
        assert reasons == ["it answers SERVFAIL without an answer, and did NOERROR with an answer"]
        assert {notice.sign for notice in told} == {Sign.CHANGED}
        watch.pulse.judged(watch.server)
        assert not await watch.quiet(0.3)
        await asyncio.to_thread(answering.heal, "google.com.")
        assert (await watch.next()).reason.startswith("it answers NOERROR with an answer")

    feel(scenario)


def test_one_that_always_refuses_lives(host: Host, feel: Feel) -> None:
    dns.nsd(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        for _ in range(3):
            assert not await watch.quiet(0.3)
            watch.pulse.judged(watch.server)

    feel(scenario, server(query="elsewhere.example."))


@pytest.mark.fault(36)
def test_our_own_lateness_is_not_its_death(host: Host, feel: Feel) -> None:
    dns.unbound(host)

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        for _ in range(5):
            time.sleep(0.3)  # noqa: ASYNC251 - our loop stands still, as it may
            assert not await watch.quiet(0.2)

    feel(scenario)


def test_a_server_that_is_down_from_the_beginning(host: Host, feel: Feel) -> None:
    async def scenario(watch: Watch) -> None:
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert dead.reason == "connection refused: nothing listens on 127.0.0.1 port 53"
        senses = watch.pulse.senses(watch.server)
        assert not senses.sockets
        assert "no listening socket here" in senses.detail
        await asyncio.to_thread(dns.unbound, host)
        assert (await watch.next()).sign is Sign.ALIVE
        assert (await watch.acquainted()).sockets

    feel(scenario)


def test_a_server_of_another_namespace(lab: Lab, host: Host, feel: Feel) -> None:
    other = lab.host("dns2")
    lab.lan("lan", host, other)
    host.address("eth0", "172.17.2.1/24")
    other.address("eth0", "172.17.2.2/24")
    answering = dns.unbound(other, address=("172.17.2.2",))
    dns.unbound(host, address=("0.0.0.0",))  # noqa: S104 - it is not the one, though on all addresses

    async def scenario(watch: Watch) -> None:
        senses = await watch.acquainted(sockets=False)
        assert (senses.sockets, senses.processes, senses.answers) == (False, False, True)
        assert "in another namespace or host" in senses.detail
        kill(answering)
        dead = await watch.next()
        assert dead.sign is Sign.DEAD
        assert "refused" in dead.reason or "no answer" in dead.reason

    feel(scenario, server("172.17.2.2"))


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
SLOWLY = """\
server:
  local-zone: "slow." transparent
  do-not-query-localhost: no
forward-zone:
  name: "slow."
  forward-addr: 127.0.0.1@5300
"""


def test_slow_recursion_is_no_death(host: Host, feel: Feel) -> None:
    host.start(sys.executable, "-c", SLOW, name="late")
    eventually(lambda: host.listens(5300, protocol="udp"), within=5)
    dns.unbound(host, extra=SLOWLY)
    slow = server(query="www.slow.", rrtype="A")

    async def scenario(watch: Watch) -> None:
        await watch.acquainted()
        # TTL 0: nothing is ever cached, so that each base probe takes 400 ms.
        assert [n for n in await watch.quiet(3) if n.sign is Sign.DEAD] == []

    feel(scenario, slow)


@pytest.mark.fault(36)
@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_saturated_server_is_not_dead(
    host: Host, inside: Inside, start: Callable[[Host], Dns]
) -> None:
    start(host)
    host.write("/etc/questions", "google.com SOA\n")
    # Far more questions are on their way than the server's queue holds, and none is waited for.
    many = ("-l", f"{SOAK + 2:g}", "-c", "50", "-q", "20000", "-t", "0.1", "-O", "suppress=timeout")
    argv = (find("dnsperf"), "-s", "127.0.0.1", "-d", "/etc/questions", *many)
    flood = host.start(*argv)
    dead = inside(host, lambda: asyncio.run(pulse_watch.soak(SOAK, server(interval=0.1))))
    assert dead == []
    assert flood.wait(15) == 0
    lost = re.search(r"Queries lost: +(\d+)", flood.log())
    assert lost is not None
    assert int(lost[1]), "it was overloaded indeed"


@pytest.fixture
def ordinary(host: Host) -> Callable[[], Daemon]:
    """Run the pulse of 127.0.0.1 as a user without capabilities; its log is what it tells."""

    def start() -> Daemon:
        argv = (sys.executable, "-B", str(Path(pulse_watch.__file__)), "127.0.0.1")
        path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pulse = host.start(*argv, name="pulse", env=path)
        eventually(lambda: pulse.check() and "sockets=True" in pulse.log(), within=10)
        return pulse

    return start


def test_an_ordinary_user_hears_of_dead_sockets(host: Host, ordinary: Callable[[], Daemon]) -> None:
    answering = dns.unbound(host)
    pulse = ordinary()
    assert "processes=False" in pulse.log(), "the server is root's, and in the root cgroup"
    answering.daemon.kill()
    eventually(lambda: "nothing listens any more" in pulse.log(), within=5)
    assert "refused" not in pulse.log()


def test_an_ordinary_user_knows_the_processes_of_a_unit(
    host: Host, ordinary: Callable[[], Daemon], cgroup: Path
) -> None:
    answering = dns.unbound(host)
    answering.daemon.kill()
    script = f"echo 0 > {cgroup}/cgroup.procs && exec {shlex.join(answering.daemon.argv)}"
    again = host.start("/bin/sh", "-c", script, name="unit")
    eventually(lambda: again.check() and host.listens(53, protocol="udp"), within=5)
    pulse = ordinary()
    assert "processes=True" in pulse.log()
    again.pause()
    eventually(lambda: "is stopped" in pulse.log(), within=5)
    again.kill()
