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
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from schedule_ground import Ground
from schedules import Schedule, schedules

from anycast_routed.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.soak]


class Shard(NamedTuple):
    """So many schedules on one host."""

    router_name: str
    half_life: int
    """Seconds, of the penalty for flapping: it ends soon, so the table is the same in the end."""
    schedules: int
    seed: int

    def __str__(self) -> str:
        return f"{self.router_name}, half-life {self.half_life} s, seed {self.seed}"


MANY = int(os.environ.get("ANYCAST_ROUTED_SCHEDULES", "0"))
SEED = int(os.environ.get("ANYCAST_ROUTED_SEED", "1"))
ONE = os.environ.get("ANYCAST_ROUTED_SCHEDULE", "")
VARIED = 4
"""Different steps of a schedule, at the least: others are hardly worth their seconds."""
PHASES = (Phase.generate, *((Phase.shrink,) if "ANYCAST_ROUTED_SHRINK" in os.environ else ()))
FEW = {("bird", 0): (8, 0.6), ("bird", 1): (3, 0.15), ("frr", 0): (4, 0.25)}
"""How many fit into every run of the tests, and their share of many."""
MOST = 30
"""So many at once on one host, so that several processes share them."""


def shards() -> Iterator[Shard]:
    """Spread the schedules over hosts."""
    for (router_name, half_life), (few, share) in FEW.items():
        left, number = round(MANY * share) if MANY else few, SEED
        while left > 0:
            yield Shard(router_name, half_life, min(left, MOST), number)
            left, number = left - MOST, number + 1


@pytest.fixture(scope="module", params=shards(), ids=str)
def shard(request: pytest.FixtureRequest) -> Shard:
    """Take one after the other."""
    one: Shard = request.param
    return one


@pytest.fixture(scope="module")
def ground(shard: Shard) -> Iterator[Ground]:
    """Lay out one host for all schedules of a shard."""
    with Lab() as lab, Ground(lab, shard.router_name, half_life=shard.half_life) as made:
        yield made


def test_the_promises_hold_through_every_schedule_of_faults(ground: Ground, shard: Shard) -> None:
    if ONE:
        ground.run(ast.literal_eval(ONE))
        return
    for number in range(shard.schedules):
        draw_one(ground, 1000 * shard.seed + number)


def draw_one(ground: Ground, number: int) -> None:
    """Draw one schedule, and run it.

    Each is drawn for itself: among many, hypothesis likes those that are small, or almost the same
    as one before, and these take seconds.
    """
    failed = False

    @seed(number)
    @settings(
        max_examples=1,
        phases=PHASES,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules())
    def each(schedule: Schedule) -> None:
        nonlocal failed
        assume(failed or len({step for _, step in schedule}) >= VARIED)
        failed = True
        ground.run(schedule)
        failed = False

    each()
