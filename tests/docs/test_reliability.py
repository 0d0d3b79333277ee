"""docs/reliability.md names a test for each fault, and agrees with the markers of the tests."""

from __future__ import annotations

import sys

import pytest

from anycast_routed.system import commands
from tests.support import reliability_table
from tests.support.paths import ROOT


def test_every_fault_has_its_test_and_the_table_is_up_to_date(
    request: pytest.FixtureRequest,
) -> None:
    written = reliability_table.FILE.read_text("utf-8")
    collected = reliability_table.find(request.session.items)
    if reliability_table.document(collected) == written and not reliability_table.untested(
        collected
    ):
        return
    # This pytest run may have collected only some tests, so another process collects all of them.
    argv = [sys.executable, "-m", "tests.support.reliability_table", "--print"]
    done = commands.run(argv, within=120)
    assert (done.code, done.err) == (0, "")
    assert written == done.out, "docs/reliability.md is out of date: run `make reliability`"


def test_a_row_without_a_test_is_found_unless_it_comes_later() -> None:
    missing = reliability_table.untested({"1": {}})
    assert "1" not in missing
    assert "10" not in missing
    assert missing[:2] == ["2", "3"]


def test_a_marker_of_a_row_that_does_not_exist_is_refused() -> None:
    class Wrong:
        path = ROOT / "tests" / "test_wrong.py"
        originalname = name = "test_wrong"

        def iter_markers(self, name: str) -> list[pytest.Mark]:
            return [getattr(pytest.mark, name)(99).mark]

    with pytest.raises(
        reliability_table.UnknownRowError, match="tests/test_wrong.py: .* no fault 99"
    ):
        reliability_table.find([Wrong()])  # type: ignore[list-item]  # it has the attributes that are read
