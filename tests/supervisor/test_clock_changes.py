"""The clock of the host is set while we run: no promise of ours hangs on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from anycast_routed.model import Verdict
from anycast_routed.state import handover
from tests.support.paths import SUPPORT
from tests.support.watched_site import RUN_DIR, Watched, each, quick

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(36)]

CLOCK = "/run/clock"
CLOCK_AT = SUPPORT / "clock_at.py"
DAY = 86_400
JUMPS = ("+86400", "-86400", "-3600")
"""Seconds from the true time."""
V6 = "fd00::10:10:10:10/128"


@pytest.fixture
def set_clock(watched: Watched) -> Callable[[str], None]:
    """Set the daemon's clock to be so much ahead of the true one."""

    def set_to(offset: str) -> None:
        new = watched.dns1.write(f"{CLOCK}.new", f"{offset}\n")
        new.replace(watched.dns1.path(CLOCK))

    return set_to


@pytest.fixture(scope="module")
def at_work(laid_out: Watched) -> Watched:
    """Start the daemon under a clock of its own."""
    laid_out.dns1.write(CLOCK, "+0\n")
    begin(laid_out)
    return laid_out


def begin(watched: Watched) -> None:
    """Start the daemon, and wait for a verdict of its own."""
    watched.dns1.path(f"{RUN_DIR}/status.json").unlink(missing_ok=True)
    argv = (sys.executable, str(CLOCK_AT), CLOCK, "daemon")
    watched.ours = daemon = watched.dns1.start(*argv, name="anycast-routed")
    verdict = "verdict service=dns verdict=up"
    eventually(lambda: daemon.check() and verdict in daemon.log(), within=10)


def test_the_clock_jumps_and_nothing_changes_but_the_times_in_the_history(
    watched: Watched, set_clock: Callable[[str], None], announced: Held
) -> None:
    mark, dates = watched.mark(), set()
    for local_pref, offset in enumerate(JUMPS, start=300):
        set_clock(offset)
        watched.nothing_is_told(0.4)
        assert watched.says().health["dns"].verdict is Verdict.UP
        config = quick()
        config["anycast"]["routes"][0]["localpref"] = local_pref
        watched.reconfigure(config)
        watched.holds({**announced, V6: (local_pref, announced[V6][1])}, within=5)
        dates.add(watched.history()[-1].at // DAY)
    assert "another instance is at work: daemon" in watched.run("apply", check=False).err
    watched.reconfigure(quick())
    watched.holds(announced, within=5)
    assert watched.told(mark) == each("announce", [V6] * (len(JUMPS) + 1))
    assert len(dates) >= 2


def test_drains_last_and_processes_succeed_each_other_whatever_the_clock_says(
    watched: Watched, set_clock: Callable[[str], None], announced: Held
) -> None:
    mark = watched.mark()
    set_clock(JUMPS[1])
    watched.run("drain", "dns")
    watched.holds({}, within=6)
    set_clock(JUMPS[0])
    watched.nothing_is_told(0.4)
    watched.run("undrain", "dns")
    watched.holds(announced)
    both = each("announce", announced)
    assert watched.told(mark) == both + each("withdraw", announced) + both
    mark = watched.mark()
    handover.mark(watched.dns1.path(RUN_DIR), 30)
    watched.end()
    set_clock(JUMPS[1])
    begin(watched)
    watched.at_work().kill()
    set_clock(JUMPS[0])
    begin(watched)
    watched.nothing_is_told(0.4)
    assert not watched.told(mark)


def test_a_service_that_flaps_waits_as_long_as_ever(
    watched: Watched, set_clock: Callable[[str], None], announced: Held
) -> None:
    config = quick()
    del config["dns"]["half-life"]
    watched.reconfigure(config)
    eventually(lambda: "config in force" in watched.at_work().log(), within=5)
    mark = watched.mark()
    for offset in JUMPS[:2]:
        watched.server.daemon.kill()
        watched.holds({}, within=2)
        set_clock(offset)
        watched.server.restart()
        if offset == JUMPS[0]:
            watched.holds(announced)
    eventually(lambda: watched.says().damped, within=5, why="it waits")
    set_clock(JUMPS[0])
    watched.nothing_is_told(0.6)
    watched.run("undrain", "dns")
    watched.holds(announced)
    once = each("withdraw", announced) + each("announce", announced)
    assert watched.told(mark) == once + once
