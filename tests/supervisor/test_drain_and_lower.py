"""A drain, and a failed service that is lowered: each step is one UPDATE per prefix."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.model import Drain, Stage
from anycast_routed.state import drain_orders
from tests.support.waiting import eventually
from tests.support.watched_site import BOTH_ROUTERS, RUN_DIR, STATE_DIR, Watched, each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, BOTH_ROUTERS]

FLOOR = 5
DRAIN_TIME = 1.0
"""Seconds: the `drain-time` of `quick`."""
GRACEFUL_SHUTDOWN = "65535:0"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config whose service is lowered when it fails."""
    made = quick()
    made["dns"]["on-fail"] = "lower"
    made["anycast"]["floor"] = FLOOR
    return made


def drain(watched: Watched, target: str) -> None:
    """Write the drain order that the verb `drain` writes."""
    drain_orders.order(
        watched.file(STATE_DIR), drain_orders.Ordered(target, "a new kernel", time.time())
    )


def undrain(watched: Watched, target: str) -> None:
    """Remove the drain order, as the verb `undrain` does."""
    assert drain_orders.lift(watched.file(STATE_DIR), target)


def with_local_pref(local_pref: int, announced: Held) -> Held:
    """Return the same routes with this LocalPref."""
    return {prefix: (local_pref, next_hop) for prefix, (_, next_hop) in announced.items()}


def local_prefs(watched: Watched, mark: int, prefix: str) -> list[int | None]:
    """Return the LocalPref of each message about a prefix since the mark; None withdraws it."""
    events = [event for event in watched.events(mark) if event.prefix == prefix]
    return [event.route.local_pref if event.route else None for event in events]


def marked(watched: Watched) -> set[str]:
    """Return the prefixes that carry GRACEFUL_SHUTDOWN (RFC 8326)."""
    routes = watched.peer.table().values()
    return {route.prefix for route in routes if GRACEFUL_SHUTDOWN in route.communities}


def test_a_drained_service_is_lowered_then_withdrawn_and_stays_so_over_a_restart(
    watched: Watched, announced: Held
) -> None:
    mark, began = watched.mark(), time.monotonic()
    drain(watched, "dns")
    watched.holds({})
    assert time.monotonic() - began > DRAIN_TIME
    assert watched.updates(mark) == each("announce", announced) + each("withdraw", announced)
    for prefix in announced:
        assert local_prefs(watched, mark, prefix) == [0, None]
    lowered = [event.route for event in watched.events(mark) if event.route]
    assert all(GRACEFUL_SHUTDOWN in route.communities for route in lowered)
    out = Drain(Stage.OUT, "a new kernel")
    eventually(lambda: watched.status().drains == {"dns": out}, why="the status says so")
    watched.status_agrees()
    mark = watched.mark()
    watched.stop_daemon()
    watched.start_daemon()
    watched.no_update_for(0.5)
    undrain(watched, "dns")
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", announced)
    assert not marked(watched)


def test_a_drained_prefix_does_not_affect_other_prefixes(watched: Watched, announced: Held) -> None:
    one = "10.10.10.11/32"
    others = {prefix: route for prefix, route in announced.items() if prefix != one}
    mark = watched.mark()
    drain(watched, one)
    watched.holds(others)
    undrain(watched, one)
    watched.holds(announced)
    assert local_prefs(watched, mark, one) == [0, None, 190]
    assert watched.updates(mark) == each("announce", [one, one]) + each("withdraw", [one])


def test_a_drain_that_is_lifted_while_it_is_lowered_withdraws_nothing(
    watched: Watched, announced: Held, config: dict[str, Any]
) -> None:
    slow = json.loads(json.dumps(config))
    slow["anycast"]["drain-time"] = "1h"
    watched.reconfigure(slow)
    mark = watched.mark()
    drain(watched, "dns")
    watched.holds(with_local_pref(0, announced))
    undrain(watched, "dns")
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", announced) + each("announce", announced)
    assert not marked(watched)
    watched.reconfigure(config)
    watched.no_update_for(0.3)


def test_an_unreadable_file_of_drain_orders_changes_nothing(
    watched: Watched, announced: Held
) -> None:
    drain(watched, "dns")
    watched.holds({})
    file = watched.file(STATE_DIR) / "drains.json"
    text = file.read_text()
    file.write_text(text[:20])
    eventually(lambda: "drains" in watched.status().problems, why="the problem is reported")
    watched.no_update_for(0.3)
    file.write_text(text)
    undrain(watched, "dns")
    watched.holds(announced)
    eventually(lambda: not watched.status().problems, why="the problem is over")


def test_a_service_that_fails_is_lowered_to_the_floor_at_once(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.server.daemon.kill()
    watched.holds(with_local_pref(FLOOR, announced))
    assert watched.updates(mark) == each("announce", announced)
    watched.status_agrees()
    watched.server.restart()
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", announced) + each("announce", announced)


def test_a_service_that_has_never_been_up_is_not_lowered_but_withheld(
    watched: Watched, announced: Held
) -> None:
    watched.stop_daemon()
    watched.holds({})
    watched.server.daemon.kill()
    (watched.file(RUN_DIR) / "state.json").unlink()  # as after a boot
    mark = watched.mark()
    watched.start_daemon()
    watched.no_update_for(0.5)
    watched.server.restart()
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", announced)
