"""The parts of the pulse: what the kernel tells of sockets and processes, and what is learnt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import Host, dns, eventually
from anycast_routed.observe.pulse import Pulse, Sign, host_view
from anycast_routed.observe.pulse.baseline import Habits, Normal
from anycast_routed.observe.pulse.cgroups import members
from anycast_routed.observe.pulse.processes import Holders, pids, search, with_children
from anycast_routed.observe.pulse.questions import NO_RECURSION, Questions, is_local
from anycast_routed.observe.pulse.sock_diag import ClosedSockets, listeners, port_filter
from tests.support.open_files import descriptors
from tests.support.pulse_watch import server, watching

if TYPE_CHECKING:
    from anycast_routed.observe.pulse.processes import Owners

Inside = Callable[[Host, Callable[[], Any]], Any]

OK, SERVFAIL, REFUSED = (0, True), (2, False), (5, False)


@pytest.fixture
def bound() -> Iterator[Callable[[str, int], socket.socket]]:
    """Bind UDP sockets, and close them at the end."""
    with contextlib.ExitStack() as stack:

        def bind(address: str, port: int = 0) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            return made

        yield bind


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def serving(port: int, address: str) -> list[int]:
    return [one.inode for one in listeners(port).serving(ip_address(address))]


def owners(*inodes: int) -> Owners:
    *_, found = search(inodes, pids())
    assert found is not None
    return found


def test_the_socket_that_the_kernel_would_choose(bound: Callable[..., socket.socket]) -> None:
    any4 = bound("0.0.0.0")  # noqa: S104
    port = any4.getsockname()[1]
    exact = bound("127.0.0.1", port)
    assert serving(port, "127.0.0.1") == [inode(exact)]
    assert serving(port, "127.0.0.2") == [inode(any4)]
    assert serving(port, "::1") == []
    exact.close()
    assert serving(port, "127.0.0.1") == [inode(any4)]


def test_a_dual_stack_socket_serves_both(bound: Callable[..., socket.socket]) -> None:
    dual = bound("::")
    port = dual.getsockname()[1]
    assert serving(port, "127.0.0.1") == serving(port, "::1") == [inode(dual)]
    dual.close()
    only6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with only6:
        only6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        only6.bind(("::", 0))
        port = only6.getsockname()[1]
        assert (serving(port, "127.0.0.1"), serving(port, "::1")) == ([], [inode(only6)])


def test_a_connected_socket_is_nobodys_server(bound: Callable[..., socket.socket]) -> None:
    client = bound("127.0.0.1")
    client.connect(("127.0.0.1", 9))
    assert serving(client.getsockname()[1], "127.0.0.1") == []


@pytest.mark.parametrize("others", [0, 1, 300, 5000])
def test_deaths_on_our_ports_only(bound: Callable[..., socket.socket], others: int) -> None:
    dying, foreign, client = bound("127.0.0.1"), bound("127.0.0.1"), bound("127.0.0.1")
    port, client_port = dying.getsockname()[1], client.getsockname()[1]
    client.connect(("127.0.0.1", 9))
    more = [one for one in range(1, others + 1) if one != foreign.getsockname()[1]]
    deaths = ClosedSockets([port, client_port, *more])
    try:
        foreign.close()
        client.close()
        dying.close()
        # The kernel tells of them in their order, a moment later.
        assert eventually(deaths.read, within=2) == {port}
        assert deaths.read() == frozenset()
    finally:
        deaths.close()


def test_lost_news_make_every_port_suspect(bound: Callable[..., socket.socket]) -> None:
    ports = set()
    made = [bound("127.0.0.1") for _ in range(200)]
    ports = {one.getsockname()[1] for one in made}
    deaths = ClosedSockets(ports)
    try:
        deaths._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # noqa: SLF001
        for one in made:
            one.close()
        heard: set[int] = set()

        def all_heard() -> bool:
            heard.update(deaths.read())
            return heard == ports

        eventually(all_heard, within=2)
    finally:
        deaths.close()


def test_the_filter_stays_below_the_kernels_limit() -> None:
    assert len(port_filter(range(1, 60000))) < 10
    assert len(port_filter(range(1, 1000))) < 4096


def test_who_holds_a_socket_and_in_what_state(host: Host) -> None:
    answering = dns.nsd(host, workers=2)
    eventually(lambda: len(answering.workers()) == 2, within=5)
    found = [
        pid for pid in [answering.daemon.pid, *answering.daemon.descendants()] if any(sockets(pid))
    ]
    holders = Holders(found)
    assert len(found) >= 3
    assert holders.evidence() == ""
    answering.daemon.pause()
    assert holders.evidence() == "", "one is stopped, and the others serve"
    answering.daemon.pause(whole=True)
    eventually(holders.evidence, within=2)
    assert not holders.gone()
    answering.daemon.kill(whole=True)
    eventually(holders.gone, within=2)
    assert holders.evidence() == "", "who is gone tells nothing of who has come"


def sockets(pid: int) -> Iterator[bool]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(link.readlink()).startswith("socket:")


def test_the_owner_of_our_own_socket(bound: Callable[..., socket.socket]) -> None:
    mine = bound("127.0.0.1")
    assert owners(inode(mine), 1) == {inode(mine): {os.getpid()}, 1: set()}
    assert Holders([os.getpid()]).evidence() == ""


def test_another_process_under_an_old_pid_is_gone() -> None:
    holders = Holders([os.getpid()])
    assert not holders.gone()
    holders.started[os.getpid()] += 1
    assert holders.gone()
    assert holders.evidence() == ""


def test_a_pid_file_gives_the_workers_too(host: Host, tmp_path: Path) -> None:
    answering = dns.nsd(host)
    file = tmp_path / "nsd.pid"
    assert with_children(file) == []
    file.write_text(f"{answering.daemon.pid}\n")
    assert set(with_children(file)) == {answering.daemon.pid, *answering.daemon.descendants()}


def test_a_search_of_thousands_of_processes_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_view, "pids", lambda: iter([os.getpid()] * 5000))
    mine = host_view.Local([53])
    mine.look_for({1: 1 << 60})
    turns = 1
    while (found := mine.found()) is None:
        turns += 1
        assert mine.owners() == {}
    assert turns >= 5
    assert not mine.searching
    assert found == {1: set()}
    assert mine.members(1 << 60) == ()


@pytest.mark.parametrize("kind", ["fifo", "folder", "long", "device"])
def test_what_is_no_pid_file_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "server.pid"
    match kind:
        case "fifo":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "long":
            file.write_text(" " * 100 + str(os.getpid()))
        case _:
            file = Path("/dev/zero")
    assert with_children(file) == []


def test_a_search_rests_at_processes_that_hold_nothing_and_at_those_it_may_not_see() -> None:
    for pid in (os.getpid(), 1 << 30):
        *rests, _ = search([1], [pid] * 1000)
        assert len(rests) >= 50


@pytest.mark.fault(14)
def test_where_no_descriptor_is_left_no_process_is_seen() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        seen = list(pids())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert seen == []
    assert os.getpid() in pids()


def test_the_members_of_a_sockets_cgroup(host: Host, cgroup: Path) -> None:
    daemon = host.start("/bin/sleep", "60")
    (cgroup / "cgroup.procs").write_text(str(daemon.pid))
    own, parent = cgroup.stat().st_ino, cgroup.parent.stat().st_ino
    *_, found = members({own, parent, 0, 1 << 60})
    assert found is not None
    assert {one: pids for one, pids in found.items() if pids} == {own: [daemon.pid]}
    daemon.kill()


def test_habits_are_learnt_and_unlearnt() -> None:
    habits, now = Habits(), 100.0
    assert habits.proven() == []
    for _ in range(3):
        form = habits.lesson(now, well=True)
        assert form is not None
        habits.answered(form, 0.001 if form else 0.5)
    assert habits.proven() == [1, 2], "the first was answered, but not at once"
    for _ in range(3 * 3 + 1):
        now += 3.1
        if (form := habits.lesson(now, well=True)) == 1:
            habits.answered(form, 0.001)
    assert habits.proven() == [1]
    for _ in range(3 * 3):
        now += 3.1
        habits.lesson(now, well=False)
    assert habits.proven() == [1], "what an unwell server does not answer is no lesson"


def test_an_answer_from_a_cache_proves_nothing() -> None:
    Questions("google.com.", "SOA")
    cached, own = b"\0\0\x80\x80" + bytes(8), b"\0\0\x84\x80" + bytes(8)
    refused = b"\0\0\x80\x05" + bytes(8)
    assert [is_local(NO_RECURSION, one) for one in (cached, own, refused)] == [False, True, True]
    assert is_local(1, cached)


def test_a_change_is_told_once_until_a_check() -> None:
    normal = Normal()
    assert not normal.heard(OK, 1)
    normal.settle()
    assert normal.heard(SERVFAIL, 2)
    assert not normal.heard(SERVFAIL, 3)
    assert normal.heard(REFUSED, 4)
    assert not normal.heard(OK, 5), "that is normal"
    assert not normal.heard(SERVFAIL, 6), "that has been told"
    normal.settle()
    assert not normal.heard(SERVFAIL, 7)
    assert normal.heard(OK, 8)


def test_a_fickle_server_does_not_keep_us_busy() -> None:
    normal = Normal()
    told = 0
    for number in range(1000):
        told += bool(normal.heard(OK if number % 2 else SERVFAIL, 100 + number / 10))
        normal.settle()
    assert 90 <= told <= 110, "one a second"


def test_a_question_that_cannot_be_asked_hurts_no_other(host: Host, inside: Inside) -> None:
    dns.unbound(host)
    bad, good = server(query="x" * 70), server()

    async def scenario() -> None:
        async with watching(good, bad) as watch:
            assert (await watch.acquainted()).answers
            senses = watch.pulse.senses(bad)
            assert not senses.answers
            assert "cannot be asked" in senses.detail

    inside(host, lambda: asyncio.run(scenario()))


def test_without_descriptors_the_senses_are_off_and_come_back(host: Host, inside: Inside) -> None:
    answering = dns.unbound(host)

    async def scenario() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with watching() as watch:
            await watch.acquainted()
            here = descriptors()
            resource.setrlimit(resource.RLIMIT_NOFILE, (here, hard))
            try:
                assert not [one for one in await watch.quiet(0.5) if one.sign is Sign.DEAD]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            answering.daemon.pause()
            assert (await watch.until(Sign.DEAD)).sign is Sign.DEAD
            answering.daemon.resume()
            assert (await watch.until(Sign.ALIVE)).sign is Sign.ALIVE

    inside(host, lambda: asyncio.run(scenario()))


def test_nothing_is_opened_before_it_runs() -> None:
    before = descriptors()
    pulse = Pulse([server()])
    assert descriptors() == before
    assert pulse.senses(server()).detail.startswith("the pulse has not begun")


def test_all_is_closed_when_it_is_cancelled(host: Host, inside: Inside) -> None:
    answering = dns.unbound(host)

    async def scenario() -> None:
        before = descriptors()
        async with watching() as watch:
            await watch.acquainted()
            os.kill(answering.daemon.pid, signal.SIGSTOP)
            await watch.until(Sign.DEAD)
        assert descriptors() == before

    inside(host, lambda: asyncio.run(scenario()))
