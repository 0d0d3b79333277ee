"""The daemon is told something while it begins, and loses its run folder while it works."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.watched_site import RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(31)]

OURS = (sys.executable, "-m", "anycast_routed", "daemon")


@pytest.fixture(scope="module")
def at_work(lab: Lab) -> Watched:
    """Lay out the host and its peer."""
    return lay_out(lab, "bird", quick())


def catches_sigterm(watched: Watched) -> bool:
    """Tell whether SIGTERM would not just end the daemon (proc_pid_status(5), SigCgt)."""
    text = Path(f"/proc/{watched.at_work().pid}/status").read_text("ascii")
    caught = next(line.split()[1] for line in text.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def beginning(at_work: Watched, announced: Held) -> Iterator[Watched]:
    """Kill a daemon that has announced everything, and start another one: it is loading."""
    at_work.begin()
    at_work.holds(announced, within=15)
    at_work.at_work().kill()
    at_work.ours = at_work.dns1.start(*OURS, name="anycast-routed")
    eventually(lambda: catches_sigterm(at_work), within=5, every=0.002, why="Python has begun")
    yield at_work
    at_work.ours.terminate(within=10)
    at_work.holds({}, within=5)


def test_sigterm_while_it_is_loading_withdraws_what_its_predecessor_has_left(
    beginning: Watched,
) -> None:
    assert "starting" not in beginning.at_work().log()
    beginning.end()
    beginning.holds({}, within=2)


def test_sighup_while_it_is_loading_is_survived(beginning: Watched) -> None:
    mark = beginning.mark()
    beginning.at_work().signal(signal.SIGHUP)
    eventually(lambda: "verdict service=dns" in beginning.at_work().log(), within=5)
    assert not beginning.told(mark)


def test_it_ends_with_75_when_its_run_folder_is_gone(beginning: Watched) -> None:
    eventually(lambda: "verdict service=dns" in beginning.at_work().log(), within=5)
    mark = beginning.mark()
    folder = beginning.dns1.path(RUN_DIR)

    def removed() -> bool:
        shutil.rmtree(folder, ignore_errors=True)  # the daemon may write into it meanwhile
        return not folder.exists()

    eventually(removed, within=1)
    assert beginning.at_work().wait(5.0) == 75
    assert "was replaced or deleted under us" in beginning.at_work().log()
    assert not beginning.told(mark)
    beginning.begin()
