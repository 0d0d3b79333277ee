"""Compare the speed of two checkouts of this repository, on this machine and in one run.

`python -m bench.compare OTHER_TREE [--rounds N] [--runs N] [--starts N] [--router bird frr]` (root)

OTHER_TREE is another checkout with its own .venv, in which anycast-routed is installed editable;
this tree is the one that runs the program. Each round runs, for each router, `bench.failover` and
`bench.apply` of both trees one after the other, and the next round begins with the other tree, so
that both trees see the same load of the machine. The figures are read from the printed tables.
An older tree, whose bench/ is a directory of scripts, can be compared too.

The program prints one Markdown table, in milliseconds:

- killed, hung, SERVFAIL: from the fault to the last WITHDRAW at the peer;
- start to announced: from the daemon's start to the last announcement, with the BGP sessions up
  (sessions up) and at a new site (from nothing);
- no-op apply: wall-clock and CPU time of an `apply` that changes nothing.

A median is the median of the rounds' medians, a p95 the median of the rounds' p95. The ratio is
that of the medians, this tree by the other one. The noise is the spread of the rounds' medians
(maximum - minimum, by the median), of the tree in which it is larger: a ratio that differs from 1
by less than the noise shows nothing. Use three rounds at least, on an idle machine: the default
options then take about fifteen minutes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.system.commands import run
from bench.figures import machine, markdown
from bench.printed_tables import CASES, read_apply, read_failover
from bench.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anycast_routed.system.commands import Completed
    from bench.printed_tables import Figure

HEAD: Final = ("figure", "other tree median (p95)", "this tree median (p95)", "ratio", "noise")
# The baseline case also measures the starts with sessions up; older trees call it "floor".
_ONLY = f"^(BIRD|FRR): ({'|'.join(CASES)}|baseline|floor)$"
_WITHIN = 900.0  # seconds for one program
_SHOWN = 15  # lines of a failed program's stderr
_ONE_DECIMAL = 100.0  # milliseconds below which a decimal is shown


Rounds = dict[str, list["Figure"]]
"""Name of a figure -> its values, one per round."""


class Job(NamedTuple):
    """One program of bench/ with its arguments."""

    program: str
    router: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """A checkout with its own .venv."""

    path: Path

    @property
    def _python(self) -> str:
        return str(self.path / ".venv" / "bin" / "python")

    def run(self, program: str, arguments: Sequence[str]) -> Completed:
        """Run a program of this tree's bench/."""
        package = (self.path / "bench" / "__init__.py").exists()
        script = ("-m", f"bench.{program}") if package else (f"bench/{program}.py",)
        argv = ["env", f"--chdir={self.path}", self._python, *script, *arguments]
        return run(argv, within=_WITHIN)

    def fault(self) -> str | None:
        """Compile this tree, as an installed program is, and return why it cannot be measured.

        PYTHONDONTWRITEBYTECODE would let each start of the program compile what has changed.
        """
        code = "import anycast_routed, compileall, sys; print(anycast_routed.__file__); "
        code += "sys.exit(not compileall.compile_dir(anycast_routed.__path__[0], quiet=1))"
        try:
            done = run(["env", "--chdir=/", self._python, "-c", code], within=30)
        except AnycastRoutedError as error:
            return str(error)
        if done.code:
            said = (done.err or done.out).strip()[-200:]
            return f"{self._python} cannot import anycast_routed, or compile it: {said}"
        if not Path(done.out.strip()).resolve().is_relative_to(self.path):
            return f"{self._python} imports anycast_routed from another tree: {done.out.strip()}"
        return None


def rows(
    other: Mapping[str, Sequence[Figure]], this: Mapping[str, Sequence[Figure]]
) -> list[list[str]]:
    """Return the rows of the table, for `HEAD`; a figure that was not measured is "-"."""
    found = []
    for name in dict.fromkeys((*other, *this)):
        both = [tree.get(name, ()) for tree in (other, this)]
        ratio = noise = "-"
        if all(both):
            before, after = (statistics.median(one.median for one in tree) for tree in both)
            ratio = f"{after / before:.2f}"
            noises = [one for tree in both if (one := _noise(tree)) is not None]
            noise = f"{max(noises):.0%}" if noises else "-"
        found.append([name, *map(_cell, both), ratio, noise])
    return found


def _noise(figures: Sequence[Figure]) -> float | None:
    """Return the spread of the rounds' medians by their median; None for a single round."""
    medians = [one.median for one in figures]
    if len(medians) < 2:  # noqa: PLR2004 - no spread
        return None
    return (max(medians) - min(medians)) / statistics.median(medians)


def _cell(figures: Sequence[Figure]) -> str:
    if not figures:
        return "-"
    median = statistics.median(one.median for one in figures)
    p95 = statistics.median(one.p95 for one in figures)
    return f"{_milliseconds(median)} ({_milliseconds(p95)})"


def _milliseconds(value: float) -> str:
    return f"{value:,.{1 if value < _ONE_DECIMAL else 0}f}"


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yield the programs of one round; their options leave out all other measurements."""
    for router in options.router:
        counts = ("--runs", str(options.runs), "--starts", str(options.starts))
        others = ("--client-runs", "1", "--idle", "1", "--saturated", "1")
        yield Job("failover", router, ("--router", router, "--only", _ONLY, *counts, *others))
        # The no-op is measured twice in a round of bench.apply.
        rounds = ("--rounds", str(max(1, options.runs // 2)))
        yield Job("apply", router, ("--router", router, *rounds, "--prefixes"))


def _measure(tree: Tree, job: Job, into: Rounds) -> bool:
    """Run the job, and add its figures to `into`; return whether it succeeded."""
    begun = time.monotonic()
    name = f"{tree.path}: {job.program} {job.router}"
    try:
        done = tree.run(job.program, job.arguments)
    except AnycastRoutedError as error:
        say(f"FAILED: {name}: {error}")
        return False
    found = (read_failover if job.program == "failover" else read_apply)(done.out)
    for figure, value in found.items():
        into[figure].append(value)
    if done.code or not found:
        last = "\n".join(done.err.splitlines()[-_SHOWN:])
        say(f"FAILED: {name}: exit code {done.code}, {len(found)} figures\n{last}")
        return False
    say(f"{name}: {time.monotonic() - begun:.0f} s")
    return True


def main() -> int:
    """Measure both trees and print the table; return 1 if a measurement failed."""
    options = _options()
    trees = (Tree(options.other.resolve()), Tree(Path(__file__).resolve().parents[1]))
    for fault in filter(None, (tree.fault() for tree in trees)):
        print(fault, file=sys.stderr)
        return 2
    begun = time.monotonic()
    measured: dict[Tree, Rounds] = {tree: defaultdict(list) for tree in trees}
    succeeded = True
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        for job in jobs(options):
            for tree in trees if number % 2 == 0 else reversed(trees):
                succeeded = _measure(tree, job, measured[tree]) and succeeded
    other, this = (measured[tree] for tree in trees)
    print(f"{machine()}\n\n{markdown(HEAD, rows(other, this))}")
    print(
        f"\nMilliseconds. Other tree: {trees[0].path}. {options.rounds} rounds of {options.runs} ",
        end="",
    )
    print(f"runs, {time.monotonic() - begun:.0f} s in all")
    return 0 if succeeded else 1


def _options() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    add = parser.add_argument
    add("other", metavar="OTHER_TREE", type=Path, help="the other checkout, with its own .venv")
    add("--rounds", type=int, default=3, help="rounds (3)")
    add("--runs", type=int, default=5, help="runs of each case in a round (5)")
    add("--starts", type=int, default=2, help="starts with sessions up in a round (2)")
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="(both)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
