"""Write docs/releases.md: what was run on which release of the routers, with what result.

`make matrix` leaves its results in build/releases/VERSION, for the Debian that it runs on, and then
runs this module. A release that was not run keeps its rows.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from anycast_routed.lab.releases import RELEASES, versions
from bench.figures import Series
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE = ROOT / "docs" / "releases.md"
RESULTS = ROOT / "build" / "releases"
NAMES = {"bookworm": "Debian 12", "trixie": "Debian 13", "sid": "Debian unstable"}
TESTED = (
    "| run on | release | BIRD | FRR | Python | tests of the routers | the package, booted | "
    "`make demo` |"
)
TIMES = "| router | killed | hung | SERVFAIL | baseline: killed |"
_SUITE = re.compile(r"<testsuite [^>]*>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def main() -> int:
    """Replace the rows of the releases that have results."""
    text = FILE.read_text("utf-8")
    runs = sorted(RESULTS.iterdir())
    results = [tested(run, release) for run in runs for release in RELEASES]
    text = with_rows(text, TESTED, filter(None, results), key=2)
    text = with_rows(text, TIMES, [row for run in runs for row in times(run)], key=1)
    FILE.write_text(text, "utf-8")
    return 0


def with_rows(text: str, head: str, rows: Iterable[list[str]], *, key: int) -> str:
    """Return the document with these rows in the table with this head, by their first cells."""
    before, _, rest = text.partition(f"{head}\n")
    rule, _, rest = rest.partition("\n")
    old, blank, after = rest.partition("\n\n")
    lines = {tuple(line.split(" | ")[:key]): line for line in old.splitlines()}
    for row in rows:
        line = f"| {' | '.join(row)} |"
        lines[tuple(line.split(" | ")[:key])] = line
    return f"{before}{head}\n{rule}\n" + "\n".join(lines.values()) + blank + after


def tested(run: Path, release: str) -> list[str]:
    """Return the row of a release in the table of tests; empty if this run left it out."""
    if not (run / f"{release}.xml").exists():
        return []
    held = versions(release)
    bird = held.get("bird3") or held["bird2"]
    shown = [_VERSION.match(one) for one in (bird, held["frr"], held["python3"])]
    numbers = [one.group() if one else "?" for one in shown]
    suites = (result(run / f"{name}.xml") for name in (release, f"{release}-booted"))
    demo = run / f"{release}.demo"
    shown_demo = demo.read_text("ascii").strip() if demo.exists() else "not run"
    name = f"{NAMES[release.removesuffix('-bird3')]}, `{release}`"
    return [f"Debian {run.name}", name, *numbers, *suites, shown_demo]


def result(file: Path) -> str:
    """Return the result of one run of pytest, from its JUnit file."""
    if not file.exists():
        return "not run"
    found = _SUITE.search(file.read_text("utf-8"))
    if not found:
        return "ended early"
    said = dict(_ATTRIBUTE.findall(found.group()))
    failed = int(said["failures"]) + int(said["errors"])
    passed = int(said["tests"]) - failed - int(said["skipped"])
    counts = f"{passed:,} passed" + (f", {failed} failed" if failed else "")
    return f"{counts}, {float(said['time']):.0f} s"


def times(run: Path) -> list[list[str]]:
    """Return the rows of the table of times: one for each release of each router."""
    rows = []
    for release in RELEASES:
        file = run / f"{release}.json"
        if file.exists():
            report = json.loads(file.read_text("utf-8"))
            rows += [row(router, release, report) for router in ("BIRD", "FRR")]
    return [one for one in rows if one]


def row(router: str, release: str, report: dict[str, Any]) -> list[str]:
    """Return the row of one router; empty if it was not measured."""
    cases = {one["name"]: one for one in report["cases"] if one["setting"] == router}
    if not cases:
        return []
    held = versions(release)
    name = "frr" if router == "FRR" else "bird3" if "bird3" in held else "bird2"
    number = _VERSION.match(held[name])
    shown = [spread(cases.get(one, {}).get("withdrawn")) for one in ("killed", "hung", "SERVFAIL")]
    baseline = spread(report["baselines"].get(router))
    return [f"{router} {number.group() if number else '?'}, `{release}`", *shown, baseline]


def spread(series: dict[str, list[float]] | None) -> str:
    """Return `median (min / p95)` in milliseconds."""
    return Series(series["seconds"]).spread() if series and series["seconds"] else "-"


if __name__ == "__main__":
    sys.exit(main())
