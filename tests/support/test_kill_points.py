"""The soak kills our program at a hundred steps or more, in all."""

from __future__ import annotations

from tests.support.kill_points import LEAST


def test_the_soak_kills_our_program_a_hundred_times() -> None:
    assert sum(LEAST.values()) >= 100
