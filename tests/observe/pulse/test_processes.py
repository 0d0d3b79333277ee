"""Which processes hold a socket, and what /proc says of their state."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, dns
from anycast_routed.observe.pulse.processes import (
    ServerProcesses,
    all_pids,
    find_owners,
    pids_from_file,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from anycast_routed.observe.pulse.processes import Owners


def owners(*inodes: int) -> Owners:
    *_, found = find_owners(inodes, all_pids())
    assert found is not None
    return found


def sockets(pid: int) -> Iterator[bool]:
    """Yield for each descriptor of a process whether it is a socket."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(link.readlink()).startswith("socket:")


def test_the_owner_of_a_socket_is_found(bound: Callable[..., socket.socket]) -> None:
    mine = os.fstat(bound("127.0.0.1").fileno()).st_ino
    assert owners(mine, 1) == {mine: {os.getpid()}, 1: set()}
    assert ServerProcesses([os.getpid()]).fault() == ""


def test_only_a_server_whose_processes_are_all_stopped_has_a_fault(host: Host) -> None:
    answering = dns.nsd(host, workers=2)
    eventually(lambda: len(answering.workers()) == 2)
    found = [
        pid for pid in [answering.daemon.pid, *answering.daemon.descendants()] if any(sockets(pid))
    ]
    processes = ServerProcesses(found)
    assert len(found) >= 3
    assert processes.fault() == ""
    answering.daemon.pause()
    assert processes.fault() == "", "one is stopped, and the others serve"
    answering.daemon.pause(whole=True)
    eventually(processes.fault)
    assert not processes.gone()
    answering.daemon.kill(whole=True)
    eventually(processes.gone)
    assert processes.fault() == "", "other processes may serve now"


def test_another_process_under_an_old_pid_is_gone() -> None:
    processes = ServerProcesses([os.getpid()])
    assert not processes.gone()
    processes.started[os.getpid()] += 1
    assert processes.gone()
    assert processes.fault() == ""


def test_a_pid_file_leads_to_the_workers_too(host: Host, tmp_path: Path) -> None:
    answering = dns.nsd(host)
    file = tmp_path / "nsd.pid"
    assert pids_from_file(file) == []
    file.write_text(f"{answering.daemon.pid}\n")

    def all_are_found() -> bool:
        workers = answering.daemon.descendants()
        return bool(workers) and set(pids_from_file(file)) == {answering.daemon.pid, *workers}

    # NSD starts a worker after it has begun to answer.
    eventually(all_are_found, why="all processes of NSD are found")


@pytest.mark.parametrize("kind", ["fifo", "directory", "long", "device"])
def test_a_pid_file_of_another_kind_is_ignored_without_blocking(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "server.pid"
    match kind:
        case "fifo":
            os.mkfifo(file)
        case "directory":
            file.mkdir()
        case "long":
            file.write_text(" " * 100 + str(os.getpid()))
        case _:
            file = Path("/dev/zero")
    assert pids_from_file(file) == []


def test_a_search_yields_at_processes_without_descriptors_and_at_unknown_ones() -> None:
    for pid in (os.getpid(), 1 << 30):
        *pauses, _ = find_owners([1], [pid] * 1000)
        assert len(pauses) >= 50


@pytest.mark.fault(14)
def test_without_free_descriptors_no_process_is_found() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        seen = list(all_pids())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert seen == []
    assert os.getpid() in all_pids()
