"""How often our program is killed in the middle of a change; the soak kills it at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.die_at import EVERY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

COUNTED = "killed at so many steps"
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
"""The steps that each test has at the least: a change with fewer is one that we no longer see."""


def count(request: pytest.FixtureRequest, died: int) -> None:
    """Write down how often a test has killed our program; in the soak, as often as it must."""
    name: str = request.node.name
    request.node.user_properties.append((COUNTED, died))
    least = LEAST[name] if EVERY else min(1, LEAST[name])
    assert died >= least, f"killed {died} times only"


def counted(reports: Iterable[pytest.TestReport]) -> int:
    """Return how often it was killed in all of these tests."""
    told = (pair for report in reports for pair in report.user_properties if report.when == "call")
    return sum(int(str(value)) for name, value in told if name == COUNTED)
