"""A neighbor with the usual parameters of RFC 2439 never suppresses a service that waits."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.decide.damping import SUPPRESS, WITHDRAWAL, flapped, wait
from anycast_routed.model import Flaps

HALF_LIFE = 900.0
pauses = st.floats(0, 5000) | st.sampled_from([0.0, 0.0, 1.0, 60.0])
withdrawals = st.lists(st.tuples(pauses, pauses), min_size=1, max_size=30)
"""Seconds announced before each withdrawal, and seconds withdrawn beyond the wait."""
streams = st.lists(pauses, max_size=30)
half_lives = st.sampled_from([0.0, 1.0, 60.0, HALF_LIFE])


@dataclass
class Neighbor:
    """Damps routes as RFC 2439 section 4.2 says; its clock counts in ticks, in seconds."""

    tick: float = 0.0
    merit: float = 0.0
    at: float = 0.0

    def hears(self, at: float, *, withdrawn: bool) -> float:
        """Take one UPDATE; give the figure of merit after it."""
        passed = at - self.at
        if self.tick:
            passed -= passed % self.tick
        self.merit *= 2 ** (-passed / HALF_LIFE)
        self.merit += 1000 if withdrawn else 0
        self.at = at
        return self.merit


def lived(pattern: list[tuple[float, float]], neighbor: Neighbor) -> list[float]:
    """Simulate these flaps of a service that waits; return the neighbor's figures of merit."""
    flaps, now, figures = Flaps(), 0.0, []
    for up, more in pattern:
        now += up
        figures.append(neighbor.hears(now, withdrawn=True))
        flaps = flapped(flaps, at=now, half_life=HALF_LIFE)
        now += wait(flaps, at=now, half_life=HALF_LIFE) + more
        neighbor.hears(now, withdrawn=False)
    return figures


@given(withdrawals)
def test_a_neighbor_never_suppresses_a_service_that_waits(
    pattern: list[tuple[float, float]],
) -> None:
    assert max(lived(pattern, Neighbor())) <= 2000 + 1e-6


@given(withdrawals)
def test_a_neighbor_with_a_coarse_clock_that_suppresses_at_the_limit_does_not_either(
    pattern: list[tuple[float, float]],
) -> None:
    """As FRR does. Only the first two withdrawals may fall into one tick."""
    figures = lived([(10.0, 10.0), (10.0, 0.0), *pattern], Neighbor(tick=5.0))
    assert max(figures) < 2000


def test_a_neighbor_would_suppress_a_service_that_does_not_wait() -> None:
    neighbor = Neighbor()
    assert max(neighbor.hears(n * 60.0, withdrawn=True) for n in range(4)) > 2000


@given(streams, half_lives)
def test_the_penalty_is_bounded_and_so_is_the_wait(times: list[float], half_life: float) -> None:
    flaps, now = Flaps(), 0.0
    for pause in times:
        now += pause
        flaps = flapped(flaps, at=now, half_life=half_life)
        assert WITHDRAWAL <= flaps.penalty <= SUPPRESS
        assert flaps.at == now
        assert 0 <= wait(flaps, at=now, half_life=half_life) <= 1.05 * half_life


@given(streams, st.lists(pauses, min_size=2), half_lives)
def test_the_wait_runs_down_with_the_clock(
    times: list[float], looks: list[float], half_life: float
) -> None:
    flaps, now = Flaps(), 0.0
    for pause in times:
        now += pause
        flaps = flapped(flaps, at=now, half_life=half_life)
    whole = wait(flaps, at=now, half_life=half_life)
    moments = sorted(now + look for look in looks)
    waits = [wait(flaps, at=moment, half_life=half_life) for moment in moments]
    assert all(later <= earlier for earlier, later in pairwise(waits))
    for moment, left in zip(moments, waits, strict=True):
        assert left == pytest.approx(max(0.0, whole - (moment - now)), abs=1e-6)
    assert wait(flaps, at=now + whole, half_life=half_life) == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10))
def test_more_flaps_never_wait_less(times: list[float]) -> None:
    flaps, now, before = Flaps(), 0.0, 0.0
    for pause in times:
        now += pause
        left = max(0.0, before - pause)
        flaps = flapped(flaps, at=now, half_life=HALF_LIFE)
        before = wait(flaps, at=now, half_life=HALF_LIFE)
        assert before >= left


def test_after_a_first_withdrawal_there_is_no_wait_and_after_a_second_one_half_life() -> None:
    once = flapped(Flaps(), at=100.0, half_life=HALF_LIFE)
    assert once == Flaps(1000.0, 100.0, 1)
    assert wait(once, at=100.0, half_life=HALF_LIFE) == 0.0
    twice = flapped(once, at=100.0, half_life=HALF_LIFE)
    assert twice == Flaps(2000.0, 100.0, 2)
    assert wait(twice, at=100.0, half_life=HALF_LIFE) == pytest.approx(926, abs=1)


def test_the_count_restarts_when_the_penalty_is_negligible() -> None:
    flaps = Flaps()
    for at in (0.0, 1000.0, 2000.0):
        flaps = flapped(flaps, at=at, half_life=HALF_LIFE)
    assert flaps.count == 3
    later = flapped(flaps, at=2000.0 + 5 * HALF_LIFE, half_life=HALF_LIFE)
    assert later.count == 1
    assert later.penalty > WITHDRAWAL, "what is left is small, and the neighbor has it too"


def test_a_half_life_of_zero_turns_the_wait_off() -> None:
    flaps = Flaps()
    for _ in range(5):
        flaps = flapped(flaps, at=1.0, half_life=0.0)
        assert wait(flaps, at=1.0, half_life=0.0) == 0.0
    assert flaps.count == 1
    assert wait(Flaps(2000.0, 1.0, 2), at=1.0, half_life=0.0) == 0.0


def test_a_time_in_the_future_is_from_another_boot() -> None:
    ahead = Flaps(2000.0, 90_000.0, 2)
    assert wait(ahead, at=5.0, half_life=HALF_LIFE) == pytest.approx(926, abs=1)
    assert flapped(ahead, at=5.0, half_life=HALF_LIFE) == Flaps(2000.0, 5.0, 3)
