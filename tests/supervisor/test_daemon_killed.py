"""The daemon is killed at each step of a withdrawal: a dead service never comes back."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce.bird.layout import BirdLayout
from anycast_routed.lab import Lab
from anycast_routed.state import paths
from tests.support.die_at import EVERY, steps
from tests.support.kill_points import count
from tests.support.paths import SUPPORT
from tests.support.router_faults import (
    announced_since,
    bird_of,
    changes,
    networks_in,
    unchanged,
)
from tests.support.waiting import eventually
from tests.support.watched_site import CONFIG, RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault("31b")]

DIE_AT = SUPPORT / "die_at.py"
ARMED = "/run/armed"
MOST_STEPS = 40


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab for each test."""
    with Lab() as made:
        yield made


@pytest.fixture
def resting(lab: Lab) -> Watched:
    """Lay out the host and its peer; a hung server is not judged before 20 s have passed."""
    config = quick()
    config["dns"] |= {"timeout": "10s", "pulse": False}
    return lay_out(lab, "bird", config)


def begin(watched: Watched, step: int) -> None:
    """Start a daemon that is killed at this step, counted from when it is armed."""
    watched.dns1.path(ARMED).unlink(missing_ok=True)
    status = watched.dns1.path(f"{RUN_DIR}/status.json")
    status.unlink(missing_ok=True)
    argv = (sys.executable, str(DIE_AT), str(step), ARMED, "daemon")
    watched.daemon_process = watched.dns1.start(*argv, name="anycast-routed", configs=(CONFIG,))
    eventually(status.exists, why="the daemon has made its first pass")


@pytest.mark.fault(30)
@pytest.mark.soak
def test_killed_at_any_step_of_a_withdrawal_nothing_dead_is_announced_again(
    resting: Watched, announced: Held, request: pytest.FixtureRequest
) -> None:
    begin(resting, 1)
    gone = 0
    for died, (_, later) in enumerate(pairwise(steps(MOST_STEPS, "bird"))):
        resting.holds(announced)
        mark = resting.mark()
        resting.dns1.path(ARMED).touch()
        resting.server.daemon.kill()
        killed = not survives(resting)
        # BIRD may hold more routes than its file has, until the operator's next reload.
        bird_of(resting).birdc("configure")
        in_file = networks_in(resting.router_file().read_text())
        assert in_file in (set(), set(announced))
        resting.holds(announced if in_file else {})
        assert announced_since(resting, mark) == set()
        if not killed:
            assert gone > 3 or not EVERY, "it was killed after the first prefix was withdrawn, too"
            count(request, died)
            return
        gone += not in_file
        hang(resting)
        mark = resting.mark()
        is_known = knows_the_death(resting)
        begin(resting, later)
        if in_file and is_known:
            resting.holds({})
        else:
            unchanged(resting, 0.3)
            assert changes(resting, mark) == []
        resting.server.daemon.resume()
    pytest.fail(f"a withdrawal takes more than {MOST_STEPS} steps")


def test_a_withdrawal_that_has_reached_one_family_is_not_undone(
    resting: Watched, announced: Held
) -> None:
    """BIRD's config is broken, and the daemon was killed after it had withdrawn one family."""
    begin(resting, MOST_STEPS)
    resting.holds(announced)
    resting.process().kill()
    for number in (10, 11):
        bird_of(resting).birdc(f"disable anycast__10_10_10_{number}_v4")
    file = resting.router_file()
    file.write_text(BirdLayout().without(file.read_text()))
    left = {prefix: route for prefix, route in announced.items() if ":" in prefix}
    resting.holds(left)
    hang(resting)
    begin(resting, MOST_STEPS)
    unchanged(resting, 0.5)
    resting.server.daemon.resume()
    resting.holds(announced)


def knows_the_death(watched: Watched) -> bool:
    """Tell whether the killed daemon has recorded the death: the next one acts on it at once."""
    text = paths.record(watched.file(RUN_DIR)).read_text()
    checks = json.loads(text)["health"]["dns"].values()
    return any(check["verdict"] == "down" for check in checks)


def hang(watched: Watched) -> None:
    """Restart the server and stop it at once: its check has no verdict before the timeout."""
    if watched.server.daemon.alive:
        watched.server.daemon.kill()
    watched.server.restart()
    watched.server.daemon.pause()


def survives(watched: Watched) -> bool:
    """Wait until the daemon is killed or has logged the withdrawal; tell whether it lives."""
    line = " withdrawn "
    eventually(
        lambda: not watched.process().alive or watched.process().log().count(line) == 3,
        why="the withdrawal has ended, or the daemon",
    )
    return watched.process().alive
