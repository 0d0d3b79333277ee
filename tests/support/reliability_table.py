"""Write docs/reliability.md: the table of faults, each with the tests that name it by a marker.

`make reliability` writes the file. `python -m tests.support.reliability_table --print` only prints
it, so that test_reliability.py can compare it with the file.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from bench.soak import PARTS
from tests.support.fault_rows import PREFACE, ROWS
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = ROOT / "docs" / "reliability.md"
HEAD = "| # | fault | what must happen | tests | run by |\n|---|---|---|---|---|\n"

Found = dict[str, dict[str, set[str]]]
"""Row -> link to a test -> the targets of make that run it."""


class UnknownRowError(Exception):
    """A marker names a row that the table does not have."""


class Collected:
    """A pytest plugin that keeps the collected tests."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep all tests."""
        self.items = session.items


def collect() -> list[pytest.Item]:
    """Collect every test of the suite.

    Raises:
        RuntimeError: the suite cannot be collected; the message is pytest's output.
    """
    kept, output = Collected(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = pytest.main(["--collect-only", "--quiet", f"--rootdir={ROOT}"], plugins=[kept])
    if code != pytest.ExitCode.OK:
        message = f"the tests cannot be collected:\n{output.getvalue()}"
        raise RuntimeError(message)
    return kept.items


def find(items: Iterable[pytest.Item]) -> Found:
    """Return the tests of each row, and the parts of the soak.

    Raises:
        UnknownRowError: a marker names a row that does not exist.
    """
    found: Found = defaultdict(lambda: defaultdict(set))
    for item in items:
        path = item.path.relative_to(ROOT)
        name = getattr(item, "originalname", item.name)
        for row in (str(one) for mark in item.iter_markers("fault") for one in mark.args):
            link = f"[{path.relative_to('tests')}::{name}](../{path})"
            targets = found[_known(row, str(path))][link]
            targets.add(_target(item))
            if item.get_closest_marker("soak"):
                targets.add("soak")
    for part in PARTS:
        link = f"[soak.py: {part.name}](../bench/soak.py)"
        for number in part.rows:
            found[_known(str(number), "bench/soak.py")][link].add("soak")
    return found


def _target(item: pytest.Item) -> str:
    if item.get_closest_marker("booted"):
        return "booted"
    return "soak" if item.get_closest_marker("slow") else "test"


def _known(row: str, where: str) -> str:
    if row not in ROWS:
        message = f"{where}: there is no fault {row} in tests/support/fault_rows.py"
        raise UnknownRowError(message)
    return row


def untested(found: Mapping[str, object]) -> list[str]:
    """Return the rows that no test names, except those for a later version."""
    return [number for number, row in ROWS.items() if number not in found and not row.later]


def document(found: Found) -> str:
    """Return the whole file."""
    lines = []
    for number, row in ROWS.items():
        tests = found.get(number, {})
        required = f"{row.required}. {row.later}" if row.later else row.required
        cells = (number, row.fault, required, "<br>".join(sorted(tests)), _targets(tests))
        lines.append(f"| {' | '.join(cells)} |\n")
    return PREFACE + HEAD + "".join(lines)


def _targets(tests: Mapping[str, Iterable[str]]) -> str:
    named = {target for targets in tests.values() for target in targets}
    return ", ".join(f"`make {target}`" for target in ("test", "booted", "soak") if target in named)


def main() -> int:
    """Print or write the table, and return 1 if a row has no test."""
    found = find(collect())
    if "--print" in sys.argv:
        sys.stdout.write(document(found))
    else:
        FILE.write_text(document(found), "utf-8")
    missing = untested(found)
    for row in missing:
        sys.stderr.write(f"no test names fault {row}: {ROWS[row].fault}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
