"""Count how often tests kill anycast-routed during a change; the soak kills it at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.die_at import EVERY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

_PROPERTY = "times killed"
_RELOADED = "test_killed_at_any_step_and_reloaded_before_the_next_run"
LEAST = {
    "test_killed_at_any_step_of_a_withdrawal[bird]": 13,
    "test_killed_at_any_step_of_a_withdrawal[frr]": 17,
    "test_killed_at_any_step_of_an_announcement[bird]": 13,
    "test_killed_at_any_step_of_an_announcement[frr]": 17,
    f"{_RELOADED}[apply-bird]": 13,
    f"{_RELOADED}[apply with a broken template-bird]": 10,
    f"{_RELOADED}[withdraw-bird]": 10,
    "test_killed_at_any_step_of_a_withdrawal_nothing_dead_is_announced_again": 10,
}
"""The fewest steps of each test: a test with fewer steps no longer sees the whole change."""


def count(request: pytest.FixtureRequest, died: int) -> None:
    """Record how often a test has killed the program; in the soak, require every step."""
    name: str = request.node.name
    request.node.user_properties.append((_PROPERTY, died))
    least = LEAST[name] if EVERY else min(1, LEAST[name])
    assert died >= least, f"killed only {died} times"


def counted(reports: Iterable[pytest.TestReport]) -> int:
    """Return how often the program was killed in all of these tests."""
    calls = (report for report in reports if report.when == "call")
    pairs = (pair for report in calls for pair in report.user_properties)
    return sum(int(str(value)) for name, value in pairs if name == _PROPERTY)
