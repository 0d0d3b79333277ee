"""The run directory's file system is full or read-only: a dead service stays withdrawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.router_faults import (
    EVERYTHING,
    announced_since,
    bird_of,
    changes,
    logged,
    networks_in,
    no_problem,
    unchanged,
)
from tests.support.waiting import eventually
from tests.support.watched_site import RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(33)]

NEW = "10.10.10.12/32"
QUIET = 0.4  # seconds in which the disk stays full


@pytest.fixture(scope="module")
def running(lab: Lab) -> Watched:
    """Start the daemon with a run directory on a small file system of its own."""
    made = lay_out(lab, "bird", quick())
    made.dns1.run("mkdir", "-p", RUN_DIR)
    made.dns1.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", RUN_DIR)
    made.start_daemon()
    return made


@pytest.fixture
def full(watched: Watched) -> Iterator[Watched]:
    """Fill the file system, and free space after the test."""
    filler = f"{RUN_DIR}/filler"
    latest = time.monotonic()

    def is_full() -> bool:
        # A file that the daemon was writing meanwhile may leave a little space.
        nonlocal latest
        watched.dns1.run("sh", "-c", f"cat /dev/zero > {RUN_DIR}/more", check=False)
        more = watched.dns1.path(f"{RUN_DIR}/more")
        if more.stat().st_size:
            more.rename(watched.dns1.path(f"{filler}.{latest}"))
            latest = time.monotonic()
        return time.monotonic() - latest > QUIET

    eventually(is_full, why="the disk is full and stays so")
    yield watched
    free(watched)


def free(watched: Watched) -> None:
    """Free the space again."""
    watched.dns1.run("sh", "-c", f"rm -f {RUN_DIR}/filler* {RUN_DIR}/more")


@pytest.fixture
def read_only(watched: Watched) -> Iterator[Watched]:
    """Remount the file system read-only, and writable after the test."""
    remount = ("mount", "-o", "remount,ro", RUN_DIR)
    # It is refused while the daemon writes a file there.
    eventually(lambda: watched.dns1.run(*remount), why="the file system is read-only")
    yield watched
    watched.dns1.run("mount", "-o", "remount,rw", RUN_DIR)


def test_a_full_disk_does_not_stop_a_withdrawal_and_free_space_brings_the_routes_back(
    full: Watched, announced: Held
) -> None:
    file = full.router_file()
    full.server.daemon.kill()
    full.holds({})
    logged(full, "No space left on device")
    assert not file.exists() or not networks_in(file.read_text()), (
        "the file is deleted or has no routes"
    )
    bird_of(full).birdc("configure")
    unchanged(full, 0.5)
    full.server.restart()
    free(full)
    full.holds(announced)
    assert networks_in(file.read_text()) == EVERYTHING
    no_problem(full)


def test_a_full_disk_withdraws_nothing_healthy(full: Watched, announced: Held) -> None:
    def logs(words: str) -> int:
        return full.process().log().count(words)

    over = 'problem is over about="status file"'
    mark, reported, before = full.mark(), logs("No space left on device"), logs(over)
    full.dns1.address("lo", NEW, label="lo:dns3")
    eventually(lambda: logs("No space left on device") > reported)
    bird_of(full).birdc("configure")
    free(full)
    eventually(lambda: NEW in full.table(), why="there is space")
    full.dns1.remove_address("lo", NEW)
    full.holds(announced)
    no_problem(full)
    assert set(changes(full, mark)) == {("announce", NEW), ("withdraw", NEW)}
    # Twice if a file that was being replaced left space for the status file.
    assert logs(over) - before <= 2, "the log does not repeat it"


def test_a_dead_service_stays_withdrawn_on_a_read_only_file_system(
    read_only: Watched, announced: Held
) -> None:
    read_only.server.daemon.kill()
    read_only.holds({})
    logged(read_only, f"cannot write {RUN_DIR}/bird.conf")
    assert networks_in(read_only.router_file().read_text()) == set(announced)
    # A reload by the operator announces the routes of the file, for a moment.
    mark = read_only.mark()
    bird_of(read_only).birdc("configure")
    eventually(lambda: announced_since(read_only, mark), why="BIRD has read the file")
    read_only.holds({})
    read_only.dns1.run("mount", "-o", "remount,rw", RUN_DIR)
    eventually(
        lambda: not networks_in(read_only.router_file().read_text()), why="the file has no routes"
    )
    mark = read_only.mark()
    bird_of(read_only).birdc("configure")
    unchanged(read_only, 0.5)
    read_only.server.restart()
    read_only.holds(announced)
    no_problem(read_only)
