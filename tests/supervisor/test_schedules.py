"""Schedules of faults, drawn at random: whatever happens in whatever order, the promises hold.

The peer's table is the plan's once all is quiet, nothing of a server that is down is announced,
no file is ever seen in part, and nobody is told what does not concern him.

`ANYCAST_ROUTED_SCHEDULES=N` runs N of them, and `ANYCAST_ROUTED_SEED=S` draws others. A failing
one is printed as a list of steps with times; `ANYCAST_ROUTED_SCHEDULE="[(0.1, 'server dead')]"`
runs that one alone, and `ANYCAST_ROUTED_SHRINK=1` looks for the smallest that still fails, for at
most five minutes.
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
    """Take one after the other."""
    one: Shard = request.param
    return one


@pytest.fixture(scope="module")
def site(shard: Shard) -> Iterator[ScheduleSite]:
    """Lay out one host for all schedules of a shard."""
    with Lab() as lab, ScheduleSite(lab, shard.router_name, half_life=shard.half_life) as made:
        yield made


def test_the_promises_hold_through_every_schedule_of_faults(
    site: ScheduleSite, shard: Shard
) -> None:
    if ONE:
        site.run(ast.literal_eval(ONE))
        return
    for number in shard.numbers:
        draw_one(shard, number, site.run, salt=SEED, shrinks=SHRINKS)
