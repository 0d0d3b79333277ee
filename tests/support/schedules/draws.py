"""Which schedules are drawn: the same ones in every run, others on each kind of host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from tests.support.schedules.model import PAIRS, Schedule, schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIED = 4
"""Different steps of a schedule, at the least: others are hardly worth their seconds."""
FEW = {("bird", 0): (8, 0.6), ("bird", 1): (2, 0.15), ("frr", 0): (3, 0.25)}
"""How many fit into every run of the tests, and their share of many."""
MOST = 30
"""So many at once on one host, so that several processes share them."""


class Shard(NamedTuple):
    """So many schedules on one host, by their numbers."""

    router_name: str
    half_life: int
    """Seconds, of the penalty for flapping: it ends soon, so the table is the same in the end."""
    numbers: range

    def __str__(self) -> str:
        first, last = self.numbers[0], self.numbers[-1]
        return f"{self.router_name}, half-life {self.half_life} s, numbers {first} to {last}"


def shards(many: int) -> Iterator[Shard]:
    """Spread so many schedules over hosts, or else a few."""
    for (router_name, half_life), (few, share) in FEW.items():
        count = round(many * share) if many else few
        for first in range(0, count, MOST):
            yield Shard(router_name, half_life, range(first, min(first + MOST, count)))


def pair_of(number: int) -> tuple[str, ...]:
    """Return what a schedule has in it: every second one has a pair, each pair in its turn."""
    return () if number % 2 else PAIRS[number // 2 % len(PAIRS)]


def draw_one(
    shard: Shard,
    number: int,
    run: Callable[[Schedule], None],
    *,
    salt: int = 1,
    shrinks: bool = False,
) -> None:
    """Draw one schedule, and run it; where it fails, the smallest that still does may be found.

    Each is drawn for itself: among many, hypothesis likes those that are small, or almost the same
    as one before, and these take seconds.
    """
    failed = False

    @seed(f"{salt} {shard.router_name} {shard.half_life} {number}")
    @settings(
        max_examples=1,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules(pair_of(number)))
    def each(schedule: Schedule) -> None:
        nonlocal failed
        assume(failed or len({step for _, step in schedule}) >= VARIED)
        failed = True
        run(schedule)
        failed = False

    each()
