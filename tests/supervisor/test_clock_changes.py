"""The clock of the host is set while the daemon runs; only the times in the history change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.model import Verdict
from anycast_routed.state import handover
from tests.support.shifted_clock import set_clock, start_daemon
from tests.support.waiting import eventually
from tests.support.watched_site import RUN_DIR, Watched, each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(36)]

DAY = 86_400
JUMPS = ("+86400", "-86400", "-3600")
"""Seconds from the machine's clock."""
V6 = "fd00::10:10:10:10/128"


@pytest.fixture(scope="module")
def running(laid_out: Watched) -> Watched:
    """Start the daemon under a clock that the test sets."""
    set_clock(laid_out, "+0")
    begin(laid_out)
    return laid_out


def begin(watched: Watched) -> None:
    """Start the daemon, and wait for a verdict of its own."""
    watched.dns1.path(f"{RUN_DIR}/status.json").unlink(missing_ok=True)
    watched.daemon_process = daemon = start_daemon(watched)
    verdict = "verdict service=dns verdict=up"
    eventually(lambda: daemon.check() and verdict in daemon.log())


def test_a_clock_jump_changes_nothing_but_the_times_in_the_history(
    watched: Watched, announced: Held
) -> None:
    mark, dates = watched.mark(), set()
    for local_pref, offset in enumerate(JUMPS, start=300):
        set_clock(watched, offset)
        watched.no_update_for(0.4)
        assert watched.status().health["dns"].verdict is Verdict.UP
        config = quick()
        config["anycast"]["routes"][0]["localpref"] = local_pref
        watched.reconfigure(config)
        watched.holds({**announced, V6: (local_pref, announced[V6][1])})
        dates.add(watched.history()[-1].at // DAY)
    assert "another instance is at work: daemon" in watched.run("apply", check=False).err
    watched.reconfigure(quick())
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", [V6] * (len(JUMPS) + 1))
    assert len(dates) >= 2


def test_drains_and_handovers_survive_clock_jumps(watched: Watched, announced: Held) -> None:
    mark = watched.mark()
    set_clock(watched, JUMPS[1])
    watched.run("drain", "dns")
    watched.holds({})
    set_clock(watched, JUMPS[0])
    watched.no_update_for(0.4)
    watched.run("undrain", "dns")
    watched.holds(announced)
    both = each("announce", announced)
    assert watched.updates(mark) == both + each("withdraw", announced) + both
    mark = watched.mark()
    handover.mark(watched.dns1.path(RUN_DIR), 600)
    watched.stop_daemon()
    set_clock(watched, JUMPS[1])
    begin(watched)
    watched.process().kill()
    set_clock(watched, JUMPS[0])
    begin(watched)
    watched.no_update_for(0.4)
    assert not watched.updates(mark)


def test_a_clock_jump_does_not_shorten_the_wait_of_a_flapping_service(
    watched: Watched, announced: Held
) -> None:
    config = quick()
    del config["dns"]["half-life"]
    watched.reconfigure(config)
    eventually(lambda: "config in force" in watched.process().log())
    mark = watched.mark()
    for offset in JUMPS[:2]:
        watched.server.daemon.kill()
        watched.holds({})
        set_clock(watched, offset)
        watched.server.restart()
        if offset == JUMPS[0]:
            watched.holds(announced)
    eventually(lambda: watched.status().damped, why="the flapping service waits")
    set_clock(watched, JUMPS[0])
    watched.no_update_for(0.6)
    watched.run("undrain", "dns")
    watched.holds(announced)
    once = each("withdraw", announced) + each("announce", announced)
    assert watched.updates(mark) == once + once
