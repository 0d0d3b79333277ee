"""Write docs/releases.md: what was run on which release of the routers, with what result.

`make matrix` leaves its results in build/releases/VERSION, for the Debian that it runs on, and then
runs this module. A release that was not run keeps its rows.

python -m tests.support.release_table [--note RELEASE]
"""

from __future__ import annotations

import json
import platform
import re
import sys
from itertools import takewhile
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
    "| run on | release | BIRD | FRR | tests of the routers | the package, booted | `make demo` |"
)
TIMES = "| run on | router | killed | hung | SERVFAIL | baseline: killed |"
_SUITE = re.compile(r"<testsuite [^>]*>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def main() -> int:
    """Replace the rows of the releases that have results."""
    text = FILE.read_text("utf-8")
    runs = sorted(RESULTS.iterdir())
    results = [tested(run, release) for run in runs for release in (*RELEASES, "upgrade")]
    text = with_rows(text, TESTED, filter(None, results))
    text = with_rows(text, TIMES, [row for run in runs for row in times(run)])
    FILE.write_text(text, "utf-8")
    return 0


def with_rows(text: str, head: str, rows: Iterable[list[str]]) -> str:
    """Return the document with these rows in the table with this head.

    A row replaces the one that is equal in its first two cells, apart from the numbers of versions.
    """
    before, found, rest = text.partition(f"{head}\n")
    if not found:
        message = f"there is no table with the head {head}"
        raise ValueError(message)
    rule, *below = rest.splitlines(keepends=True)
    old = list(takewhile(lambda line: line.startswith("|"), below))
    lines = {_key(line): line for line in old}
    for row in rows:
        line = f"| {' | '.join(row)} |\n"
        lines[_key(line)] = line
    return "".join((before, found, rule, *lines.values(), *below[len(old) :]))


def _key(line: str) -> tuple[str, ...]:
    run_on, what = line.split(" | ")[:2]
    return run_on, _VERSION.sub("", what)


def tested(run: Path, release: str) -> list[str]:
    """Return the row of a release in the table of tests; empty if this run left it out."""
    held = installed(run, release)
    if held is None:
        return []
    run_on = f"Debian {run.name}, Python {held['python']}"
    if release == "upgrade":
        what = "the upgrade of a host from Debian 12 to 13, and other Pythons"
        return [run_on, what, "-", "-", result(run / "upgrade.xml"), "-", "-"]
    booted = "-" if release.startswith("sid") else result(run / f"{release}-booted.xml")
    demo = run / f"{release}.demo"
    shown_demo = demo.read_text("ascii").strip() if demo.exists() else "not run"
    name = f"{NAMES[release.removesuffix('-bird3')]}, `{release}`"
    routers = held["bird"], held["frr"]
    return [run_on, name, *routers, result(run / f"{release}.xml"), booted, shown_demo]


def installed(run: Path, release: str) -> dict[str, str] | None:
    """Return the versions that a run noted at its beginning; None if it left the release out."""
    file = run / f"{release}.versions"
    if not file.exists():
        return None
    found: dict[str, str] = json.loads(file.read_text("utf-8"))
    return found


def note(release: str) -> str:
    """Return what a run notes at its beginning: the versions of the routers and of Python."""
    noted = {"python": platform.python_version()}
    if release in RELEASES:
        held = versions(release)
        for name, package in (("bird", held.get("bird3") or held["bird2"]), ("frr", held["frr"])):
            number = _VERSION.match(package)
            noted[name] = number.group() if number else "?"
    return json.dumps(noted)


def result(file: Path) -> str:
    """Return the result of one run of pytest, from its JUnit file."""
    found = _SUITE.search(file.read_text("utf-8")) if file.exists() else None
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
        file, held = run / f"{release}.json", installed(run, release)
        if file.exists() and held is not None:
            report = json.loads(file.read_text("utf-8"))
            for router in ("BIRD", "FRR"):
                name = f"{router} {held[router.lower()]}, `{release}`"
                rows.append([f"Debian {run.name}", name, *measured(router, report)])
    return [one for one in rows if len(one) > 2]


def measured(router: str, report: dict[str, Any]) -> list[str]:
    """Return the times of one router; none if it was not measured."""
    cases = {one["name"]: one for one in report["cases"] if one["setting"] == router}
    if not cases:
        return []
    shown = [spread(cases.get(one, {}).get("withdrawn")) for one in ("killed", "hung", "SERVFAIL")]
    return [*shown, spread(report["baselines"].get(router))]


def spread(series: dict[str, list[float]] | None) -> str:
    """Return `median (min / p95)` in milliseconds."""
    return Series(series["seconds"]).spread() if series and series["seconds"] else "-"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--note"]:
        sys.stdout.write(f"{note(sys.argv[2])}\n")
    else:
        sys.exit(main())
