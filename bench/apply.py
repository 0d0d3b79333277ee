"""Time `apply` beside what it cannot be faster than; prints the tables of docs/performance.md.

`python -m bench.apply` (root) lays out a lab with BIRD, then with FRR, and a BGP peer that writes
down when each UPDATE comes. All that is compared is run in turn, in the same host and round.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.apply_site import CHANGED_LOCAL_PREF, LOCAL_PREF, Goal, Ground, Router, config, prefix
from bench.figures import Series, machine, milliseconds, table
from bench.import_cost import floor_argv, outside_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_APPLY = ("-q", "apply")
_LARGE = 5_000  # prefixes from which one round stands for three, so that a run ends in time
_WITHIN = 60.0
_ROUTE_MAP_TIMER = 5.0  # seconds that FRR waits after an edit of a route-map


class Change(NamedTuple):
    """One kind of change of one prefix, and its figures."""

    name: str
    ours_end: Series
    ours_update: Series
    bare_update: Series
    floor: Series

    def row(self, router: Router, count: int) -> list[str]:
        """Lay it out."""
        three = (self.ours_update, self.bare_update, self.floor)
        pairs = [
            (ours / (bare + floor), (ours - floor) / bare)
            for ours, bare, floor in ([s.median for s in three], [s.least for s in three])
        ]
        return [
            f"{router} {count:,} {self.name}",
            self.ours_end.spread(),
            self.ours_update.spread(),
            self.bare_update.spread(),
            self.floor.spread(),
            *(f"{median:.2f} ({least:.2f})" for median, least in zip(*pairs, strict=True)),
        ]

    def after_end(self) -> list[float]:
        """How long after our program's end each UPDATE came; negative: before it."""
        pairs = zip(self.ours_update.seconds, self.ours_end.seconds, strict=True)
        return [update - end for update, end in pairs]


_NO_OP_HEAD = ("", "apply", "bare imports", "ratio", "its CPU", "imports' CPU", "ratio")
_CHANGE_HEAD = (
    "one prefix of N",
    "apply to its end",
    "apply to UPDATE",
    "bare to UPDATE",
    "start-up floor",
    "ratio",
    "without start-up",
)


def main() -> int:
    """Measure and print."""
    options = _options()
    begun = time.monotonic()
    print(machine())
    noop_rows: list[list[str]] = []
    steps: dict[Router, dict[str, Series]] = {}
    change_rows: list[list[str]] = []
    notes: list[str] = []
    for router in options.router:
        with Ground(router) as ground:
            print(ground.version, flush=True)
            row, steps[router] = _no_op(ground, options.rounds)
            noop_rows.append(row)
        after_end: list[float] = []
        repeated = 0
        for count in options.prefixes:
            with Ground(router) as ground:
                for change in _changes(ground, count, options.rounds):
                    change_rows.append(change.row(router, count))
                    after_end += change.after_end()
                    _progress(change_rows[-1])
                repeated += ground.repeated
        if after_end:
            notes.append(_note(router, after_end, repeated))
    print("\nMilliseconds: median (min / p95). Ratios: of medians (of minima).\n\nNo-op")
    print(table(_NO_OP_HEAD, noop_rows))
    print("\nWhere a no-op's time goes, step by step (medians)")
    print(_step_table(steps))
    if change_rows:
        print(f"\nOne changed prefix\n{table(_CHANGE_HEAD, change_rows)}\n")
        print("\n".join(notes))
    print(f"\n{options.rounds} rounds, {time.monotonic() - begun:.0f} s in all")
    return 0


def _note(router: Router, after_end: Sequence[float], repeated: int) -> str:
    """Say how late the latest UPDATE was, where a route-map timer of FRR's would show."""
    latest = max(after_end)
    said = "after" if latest > 0 else "before"
    note = f"{router}: the latest UPDATE came {milliseconds(abs(latest))} ms {said} apply ended; "
    note += f"{repeated} announcements came twice."
    if router == "frr":
        verdict = "never" if latest < _ROUTE_MAP_TIMER / 2 else "PERHAPS"
        note += f" It was {verdict} the route-map timer ({_ROUTE_MAP_TIMER:g} s)."
    return note


def _no_op(ground: Ground, rounds: int) -> tuple[list[str], dict[str, Series]]:
    """Time an `apply` that changes nothing beside the imports that it does."""
    ground.load(config(3))
    ground.settle(3)
    modules = outside_modules(ground.host, *_APPLY, within=_WITHIN)
    script = str(Path(__file__).with_name("steps.py"))
    program = (sys.executable, "-m", "anycast_routed", *_APPLY)
    inside = (sys.executable, script, ground.router, ",".join(modules), *_APPLY)
    apply, apply_cpu, floor, floor_cpu = Series(), Series(), Series(), Series()
    steps: dict[str, Series] = defaultdict(Series)
    for number in range(rounds * 2):

        def one_apply() -> None:
            timed = ground.run(*program)
            apply.add(timed.ended)
            apply_cpu.add(timed.cpu)

        def one_floor() -> None:
            timed = ground.run(*floor_argv(modules))
            floor.add(timed.ended)
            floor_cpu.add(timed.cpu)

        _in_turn(number, one_apply, one_floor)
        begun = time.monotonic()
        done = ground.host.run(*inside, within=_WITHIN)
        whole = time.monotonic() - begun
        seconds: dict[str, float] = json.loads(done.out.splitlines()[-1])
        for name, taken in seconds.items():
            steps[name].add(taken)
        steps["start and end of Python"].add(whole - sum(seconds.values()))
    row = [f"{ground.router} no-op", apply.spread(), floor.spread(), _ratio(apply, floor)]
    row += [apply_cpu.spread(), floor_cpu.spread(), _ratio(apply_cpu, floor_cpu)]
    return row, steps


def _ratio(one: Series, other: Series) -> str:
    return f"{one.median / other.median:.2f} ({one.least / other.least:.2f})"


def _changes(ground: Ground, count: int, rounds: int) -> Iterator[Change]:
    """Time a LocalPref that changes by one, and a withdrawal, beside the router's own client."""
    less = ground.load(config(count, without=True))
    ground.configure(config(count, local_pref=CHANGED_LOCAL_PREF))
    # What an apply that renders anew loads, jinja2 among it.
    modules = outside_modules(ground.host, *_APPLY, within=_WITHIN)
    lower = ground.load(config(count, local_pref=CHANGED_LOCAL_PREF))
    full = ground.load(config(count))
    ground.settle(count)
    last = prefix(count)
    rounds = max(2, rounds // 3) if count >= _LARGE else rounds
    yield _change(ground, ("LocalPref", full, lower, (last, CHANGED_LOCAL_PREF)), modules, rounds)
    yield _change(ground, ("withdrawal", full, less, (last, None)), modules, rounds)


def _change(
    ground: Ground,
    case: tuple[str, Goal, Goal, tuple[str, int | None]],
    modules: Sequence[str],
    rounds: int,
) -> Change:
    name, full, goal, expected = case
    back = (expected[0], LOCAL_PREF)
    change = Change(name, Series(), Series(), Series(), Series())

    def ours() -> None:
        timed = ground.ours(goal, expected)
        change.ours_end.add(timed.ended)
        change.ours_update.add(timed.update or 0.0)
        ground.bare(goal, full, back)

    def bare() -> None:
        change.bare_update.add(ground.bare(full, goal, expected).update or 0.0)
        ground.bare(goal, full, back)

    def floor() -> None:
        change.floor.add(ground.run(*floor_argv(modules, ends=False)).ended)

    for number in range(rounds):
        _in_turn(number, ours, bare, floor)
    return change


def _in_turn(number: int, *actions: Callable[[], None]) -> None:
    """Run all of them, beginning with another one in each round."""
    first = number % len(actions)
    for action in (*actions[first:], *actions[:first]):
        action()


def _step_table(steps: dict[Router, dict[str, Series]]) -> str:
    names = dict.fromkeys(name for one in steps.values() for name in one)
    rows = [
        [name, *(milliseconds(one[name].median) if name in one else "-" for one in steps.values())]
        for name in names
    ]
    return table(("step", *steps), rows)


def _progress(row: Sequence[str]) -> None:
    print(f"  {row[0]}: {row[2]} to the UPDATE", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds (5); no-ops twice, large loads a third"
    )
    parser.add_argument(
        "--prefixes",
        type=int,
        nargs="*",
        default=[1, 100, 1_000, 10_000],
        help="how many prefixes the changed one is among; none for the no-op alone",
    )
    parser.add_argument(
        "--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="which (both)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
