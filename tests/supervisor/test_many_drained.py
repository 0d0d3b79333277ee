"""A service of 2,000 prefixes, of which 1,000 are drained one by one, dies and returns."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.watched_site import BOTH_ROUTERS, STATE_DIR, Watched, each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, BOTH_ROUTERS, pytest.mark.fault(70)]

COUNT, DRAINED = 2_000, 1_000
PREFIXES = [f"{IPv4Address('10.20.0.1') + number}/32" for number in range(COUNT)]
WITHIN = 60.0  # seconds; FRR sends so many only when its route-map timer ends


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config of one service with all prefixes."""
    made = quick()
    routes = [{"label": f"r{at}", "ip": prefix} for at, prefix in enumerate(PREFIXES)]
    made["anycast"] = {"nexthop-interface": "eth0", "routes": routes}
    return made


def test_a_death_withdraws_the_others_once_and_a_return_announces_only_them(
    laid_out: Watched,
) -> None:
    orders = [
        {"target": one, "reason": "", "since": 0.0, "until": None} for one in PREFIXES[:DRAINED]
    ]
    laid_out.dns1.write(f"{STATE_DIR}/drains.json", json.dumps({"schema": 1, "drained": orders}))
    laid_out.start_daemon()
    others: Held = dict.fromkeys(PREFIXES[DRAINED:], (100, "172.17.2.1"))
    laid_out.holds(others, WITHIN)
    mark = laid_out.mark()
    laid_out.server.daemon.kill()
    laid_out.holds({}, WITHIN)
    assert laid_out.updates(mark) == each("withdraw", others)
    laid_out.server.restart()
    laid_out.holds(others, WITHIN)
    assert laid_out.updates(mark) == each("withdraw", others) + each("announce", others)
    assert len(laid_out.status().drains) == DRAINED
