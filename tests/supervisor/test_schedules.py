"""Random schedules of faults: the guarantees hold for any faults in any order.

Once the host is quiet, the peer's table equals the plan. No prefix of a server that is known to be
down is announced, no file is ever visible in part, and the peer receives no message about a prefix
that no step concerns.

`ANYCAST_ROUTED_SCHEDULES=N` runs N schedules, and `ANYCAST_ROUTED_SEED=S` draws others. A schedule
that fails is printed as a list of steps with times; `ANYCAST_ROUTED_SCHEDULE="[(0.1, 'server
dead')]"` runs only that one. `ANYCAST_ROUTED_SHRINK=1` searches the smallest schedule that still
fails, for at most five minutes.
"""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from tests.support.schedules.draws import Shard, draw_one, shards
from tests.support.schedules.site import ScheduleSite

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.soak]

MANY = int(os.environ.get("ANYCAST_ROUTED_SCHEDULES", "0"))
SEED = int(os.environ.get("ANYCAST_ROUTED_SEED", "1"))
ONE = os.environ.get("ANYCAST_ROUTED_SCHEDULE", "")
SHRINKS = "ANYCAST_ROUTED_SHRINK" in os.environ


@pytest.fixture(scope="module", params=shards(MANY), ids=str)
def shard(request: pytest.FixtureRequest) -> Shard:
    """Return the shards, one after the other."""
    one: Shard = request.param
    return one


@pytest.fixture(scope="module")
def site(shard: Shard) -> Iterator[ScheduleSite]:
    """Lay out one host for all schedules of a shard."""
    with Lab() as lab, ScheduleSite(lab, shard.router_name, half_life=shard.half_life) as made:
        yield made


def test_the_guarantees_hold_in_random_schedules_of_faults(
    site: ScheduleSite, shard: Shard
) -> None:
    if ONE:
        site.run(ast.literal_eval(ONE))
        return
    for number in shard.numbers:
        draw_one(shard, number, site.run, salt=SEED, shrinks=SHRINKS)
