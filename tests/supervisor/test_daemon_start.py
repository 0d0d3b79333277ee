"""The daemon gets a signal while Python loads it, or loses its run directory while it runs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import SUPPORT
from tests.support.waiting import PATIENCE, eventually
from tests.support.watched_site import RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(31)]

FIFO = "/run/loading"
HELD = (sys.executable, str(SUPPORT / "held_while_loading.py"), FIFO, "daemon")


@pytest.fixture(scope="module")
def running(lab: Lab) -> Watched:
    """Lay out the host and its peer; the daemon does not run yet."""
    made = lay_out(lab, "bird", quick())
    os.mkfifo(made.file(FIFO))
    return made


@dataclass
class Loading:
    """A daemon that Python has not loaded yet; its signal handlers are in place."""

    watched: Watched
    fifo: int

    def go_on(self) -> None:
        """Let Python load the rest of the daemon."""
        os.close(self.fifo)


@pytest.fixture
def loading(running: Watched, announced: Held) -> Iterator[Loading]:
    """Kill a daemon that has announced everything, and start another, held while it loads."""
    running.start_daemon()
    running.holds(announced)
    running.process().kill()
    running.daemon_process = running.dns1.start(*HELD, name="anycast-routed")

    def opened() -> int:
        # Until the daemon has opened the FIFO for reading, this raises an error (fifo(7)).
        return os.open(running.file(FIFO), os.O_WRONLY | os.O_NONBLOCK)

    yield Loading(running, eventually(opened, why="Python loads the daemon"))
    running.process().terminate(PATIENCE)
    running.holds({})


def test_sigterm_while_the_daemon_loads_withdraws_the_routes_of_its_predecessor(
    loading: Loading,
) -> None:
    loading.watched.process().signal(signal.SIGTERM)
    loading.go_on()
    assert loading.watched.process().wait(PATIENCE) == 0
    loading.watched.holds({})


def test_sighup_while_the_daemon_loads_does_not_kill_it(loading: Loading) -> None:
    mark = loading.watched.mark()
    loading.watched.process().signal(signal.SIGHUP)
    loading.go_on()
    eventually(lambda: "verdict service=dns" in loading.watched.process().log())
    assert not loading.watched.updates(mark)


def test_the_daemon_ends_with_75_when_its_run_directory_is_deleted(loading: Loading) -> None:
    watched = loading.watched
    loading.go_on()
    eventually(lambda: "verdict service=dns" in watched.process().log())
    mark = watched.mark()
    directory = watched.file(RUN_DIR)

    def removed() -> bool:
        shutil.rmtree(directory, ignore_errors=True)  # the daemon may write into it meanwhile
        return not directory.exists()

    eventually(removed)
    assert watched.process().wait(PATIENCE) == 75
    assert "was replaced or deleted while the daemon ran" in watched.process().log()
    assert not watched.updates(mark)
    watched.start_daemon()
