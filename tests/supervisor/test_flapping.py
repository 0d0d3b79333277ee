"""A server that goes down and up again and again: few UPDATEs, and every change in the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.model import Verdict
from tests.support.waiting import eventually
from tests.support.watched_site import Watched, each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

DEATHS = 6


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config with the default damping of flapping services."""
    made = quick()
    del made["dns"]["half-life"]
    return made


def flap(watched: Watched, times: int) -> None:
    """Kill and restart the server so many times, each time as soon as the daemon has noticed."""
    for _ in range(times):
        watched.server.daemon.kill()
        watched.status_has(Verdict.DOWN)
        watched.server.restart()
        watched.status_has(Verdict.UP)


@pytest.mark.fault(13)
def test_a_server_that_dies_again_and_again_stays_withdrawn_until_it_is_undrained(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    flap(watched, DEATHS)
    once = each("withdraw", announced) + each("announce", announced)
    watched.receives(mark, once + each("withdraw", announced))
    waits = "dns went down 2 times: withheld by `dns.half-life` until "
    assert watched.status().damped["dns"].startswith(waits)
    assert waits in watched.run("status").out
    assert waits in watched.run("history").out
    watched.status_agrees()
    watched.run("undrain")
    watched.holds(announced)
    assert watched.updates(mark) == once + once
    # The daemon writes the status file after the UPDATE.
    eventually(lambda: not watched.status().damped, why="status says so")
    flap(watched, 2)
    watched.holds({})
    watched.run("undrain", "dns")
    watched.holds(announced)


@pytest.mark.fault(68)
def test_a_hang_that_outlasts_the_timeout_counts_like_a_death(
    watched: Watched, announced: Held
) -> None:
    flap(watched, 1)
    watched.holds(announced)
    watched.server.daemon.pause()
    eventually(lambda: watched.status().damped, why="the hang has outlasted the timeout")
    watched.server.daemon.resume()
    watched.status_has(Verdict.UP)
    assert watched.status().damped
    watched.holds({})
    watched.run("undrain", "dns")
    watched.holds(announced)
