"""The tables of docs/releases.md get the rows of a run, and keep all others."""

import json
from pathlib import Path

import pytest

from tests.support import release_table
from tests.support.release_table import TIMES, with_rows

RULE = "|---|---|---:|---:|---:|---:|\n"
OLD = "| Debian 12 | BIRD 2.0.12, `bookworm` | 9 | 8 | 7 | 6 |\n"
NEW = ["Debian 12", "BIRD 2.0.13, `bookworm`", "1", "2", "3", "4"]
SHOWN = "| Debian 12 | BIRD 2.0.13, `bookworm` | 1 | 2 | 3 | 4 |\n"
INSIDE = "| Debian 13 | BIRD 2.0.12, `bookworm` | 9 | 8 | 7 | 6 |\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [("", SHOWN), (OLD, SHOWN), (f"{OLD}{INSIDE}", f"{SHOWN}{INSIDE}"), (INSIDE, INSIDE + SHOWN)],
)
@pytest.mark.parametrize("end", ["", "\n## What differs\n\n| a | b |\n|---|---|\n| c | d |\n"])
def test_a_row_replaces_its_own_and_nothing_else(before: str, after: str, end: str) -> None:
    text = f"# Releases\n\n{TIMES}\n{RULE}{before}{end}"
    assert with_rows(text, TIMES, [NEW]) == f"# Releases\n\n{TIMES}\n{RULE}{after}{end}"


def test_the_document_has_both_tables() -> None:
    text = release_table.FILE.read_text("utf-8")
    for head in (release_table.TESTED, TIMES):
        assert with_rows(text, head, []) == text


def test_a_run_that_ended_early_is_no_success(tmp_path: Path) -> None:
    assert release_table.tested(tmp_path, "sid") == []
    noted = {"python": "3.11.2", "bird": "2.20.0", "frr": "10.7.1"}
    (tmp_path / "sid.versions").write_text(json.dumps(noted))
    row = release_table.tested(tmp_path, "sid")
    assert row[2:] == ["2.20.0", "10.7.1", "ended early", "-", "not run"]
    suite = '<testsuite name="pytest" errors="1" failures="1" skipped="1" tests="10" time="3.2">'
    (tmp_path / "sid.xml").write_text(suite)
    assert release_table.tested(tmp_path, "sid")[4] == "7 passed, 2 failed, 3 s"
