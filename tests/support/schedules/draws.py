"""Draw the schedules: the same ones in every run, and others on each kind of host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import HealthCheck, Phase, assume, given, seed, settings

from tests.support.schedules.model import PAIRS, Schedule, schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIED = 4
"""The least number of different steps in a schedule; others find too little for their time."""
FEW = {("bird", 0): (8, 0.6), ("bird", 1): (2, 0.15), ("frr", 0): (3, 0.25)}
"""The number of schedules in `make test`, and the share of each kind in `make soak`."""
MOST = 30
"""The most schedules of one host, so that several processes share them."""


class Shard(NamedTuple):
    """The numbers of the schedules that one host runs."""

    router_name: str
    half_life: int
    """Seconds, of the penalty for flapping: so short that the final table does not depend on it."""
    numbers: range

    def __str__(self) -> str:
        first, last = self.numbers[0], self.numbers[-1]
        return f"{self.router_name}, half-life {self.half_life} s, numbers {first} to {last}"


def shards(many: int) -> Iterator[Shard]:
    """Spread this many schedules over hosts; 0 means the few of `make test`."""
    for (router_name, half_life), (few, share) in FEW.items():
        count = round(many * share) if many else few
        for first in range(0, count, MOST):
            yield Shard(router_name, half_life, range(first, min(first + MOST, count)))


def pair_of(number: int) -> tuple[str, ...]:
    """Return the pair of steps in a schedule: every second schedule has one, in turn."""
    return () if number % 2 else PAIRS[number // 2 % len(PAIRS)]


def draw_one(
    shard: Shard,
    number: int,
    run: Callable[[Schedule], None],
    *,
    salt: int = 1,
    shrinks: bool = False,
) -> None:
    """Draw one schedule, and run it; with `shrinks`, search the smallest that still fails.

    Each schedule is a draw of its own: of many, hypothesis prefers small ones, and variants of
    earlier ones, which cost seconds and find nothing new.
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
