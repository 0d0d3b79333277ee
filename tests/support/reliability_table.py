"""Write docs/reliability.md: the table of faults, each with the tests that name it by a marker.

`make reliability` writes it; `python -m tests.support.reliability_table --print` only prints it, as
test_reliability.py needs it to
know whether the file is up to date.
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
    """A plugin of pytest's that keeps the tests which name a fault."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep them all."""
        self.items = session.items


def collect() -> list[pytest.Item]:
    """Collect every test of the suite.

    Raises:
        RuntimeError: it cannot be collected; the text is pytest's.
    """
    kept, said = Collected(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(["--collect-only", "--quiet", f"--rootdir={ROOT}"], plugins=[kept])
    if code != pytest.ExitCode.OK:
        message = f"the tests cannot be collected:\n{said.getvalue()}"
        raise RuntimeError(message)
    return kept.items


def find(items: Iterable[pytest.Item]) -> Found:
    """Return the tests of each row, and the parts of the soak.

    Raises:
        UnknownRowError: a marker names none.
    """
    found: Found = defaultdict(lambda: defaultdict(set))
    for item in items:
        path = item.path.relative_to(ROOT)
        name = getattr(item, "originalname", item.name)
        for row in (str(one) for mark in item.iter_markers("fault") for one in mark.args):
            link = f"[{path.relative_to('tests')}::{name}](../{path})"
            targets = found[_known(row, str(path))][link]
            targets.add("test")
            if item.get_closest_marker("soak"):
                targets.add("soak")
    for part in PARTS:
        link = f"[soak.py: {part.name}](../bench/soak.py)"
        for number in part.rows:
            found[_known(str(number), "bench/soak.py")][link].add("soak")
    return found


def _known(row: str, where: str) -> str:
    if row not in ROWS:
        message = f"{where}: there is no fault {row} in tests/support/fault_rows.py"
        raise UnknownRowError(message)
    return row


def untested(found: Mapping[str, object]) -> list[str]:
    """Return the rows that no test names, and that are not to come later."""
    return [row for row, told in ROWS.items() if row not in found and not told.later]


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
    return ", ".join(f"`make {target}`" for target in ("test", "soak") if target in named)


def main() -> int:
    """Print the table, or write it; the rows without a test are told, and are a failure."""
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
