"""Time `apply`, compared with its imports alone and with the router's own client.

`python -m bench.apply` (root) sets up a lab with BIRD, then with FRR, and a BGP peer that logs the
time of each UPDATE. All figures of one comparison are measured in turn, in the same host and
round. The program prints the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.apply_site import CHANGED_LOCAL_PREF, LOCAL_PREF, ApplySite, config, prefix
from bench.figures import Series, machine, milliseconds, table
from bench.import_cost import imports_argv, outside_modules
from bench.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.apply_site import Configs, Expected, Router

_APPLY = ("-q", "apply")
_LARGE = 5_000  # prefixes from which only a third of the rounds is run
_WITHIN = 60.0
_ROUTE_MAP_TIMER = 5.0  # seconds that FRR waits after an edit of a route-map
_NO_OP_HEAD = ("", "apply", "imports only", "ratio", "its CPU", "imports' CPU", "ratio")
_CHANGE_HEAD = (
    "one prefix of N",
    "apply to its end",
    "apply to UPDATE",
    "client to UPDATE",
    "start-up baseline",
    "ratio",
    "without start-up",
)


class Change(NamedTuple):
    """One kind of change of one prefix, and its figures."""

    name: str
    apply_end: Series
    apply_update: Series
    client_update: Series
    start_up: Series

    def row(self, router: Router, count: int) -> list[str]:
        """Return the table row, for `_CHANGE_HEAD`."""
        three = (self.apply_update, self.client_update, self.start_up)
        pairs = [
            (apply / (client + start_up), (apply - start_up) / client)
            for apply, client, start_up in ([s.median for s in three], [s.minimum for s in three])
        ]
        return [
            f"{router} {count:,} {self.name}",
            self.apply_end.spread(),
            self.apply_update.spread(),
            self.client_update.spread(),
            self.start_up.spread(),
            *(f"{median:.2f} ({minimum:.2f})" for median, minimum in zip(*pairs, strict=True)),
        ]

    def after_end(self) -> list[float]:
        """Return the seconds from the end of `apply` to each UPDATE; negative: before the end."""
        pairs = zip(self.apply_update.seconds, self.apply_end.seconds, strict=True)
        return [update - end for update, end in pairs]


@dataclass
class Report:
    """The rows of all tables."""

    no_op: list[list[str]] = field(default_factory=list)
    steps: dict[Router, dict[str, Series]] = field(default_factory=dict)
    changes: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main() -> int:
    """Measure and print the tables."""
    options = _options()
    begun = time.monotonic()
    print(machine())
    report = Report()
    for router in options.router:
        with ApplySite(router) as site:
            print(site.version, flush=True)
            row, report.steps[router] = _no_op(site, options.rounds)
            report.no_op.append(row)
        _all_changes(report, router, options)
    print("\nMilliseconds: median (min / p95). Ratios: of medians (of minima).\n\nNo-op")
    print(table(_NO_OP_HEAD, report.no_op))
    print("\nTime of a no-op, step by step (medians)")
    print(_step_table(report.steps))
    if report.changes:
        print(f"\nOne changed prefix\n{table(_CHANGE_HEAD, report.changes)}\n")
        print("\n".join(report.notes))
    print(f"\n{options.rounds} rounds, {time.monotonic() - begun:.0f} s in all")
    return 0


def _no_op(site: ApplySite, rounds: int) -> tuple[list[str], dict[str, Series]]:
    """Time an `apply` that changes nothing, compared with its imports alone."""
    site.load(config(3))
    site.wait_until_quiet(3)
    modules = outside_modules(site.host, *_APPLY, within=_WITHIN)
    script = str(Path(__file__).with_name("steps.py"))
    program = (sys.executable, "-m", "anycast_routed", *_APPLY)
    with_steps = (sys.executable, script, site.router, ",".join(modules), *_APPLY)
    apply, apply_cpu, imports, imports_cpu = Series(), Series(), Series(), Series()
    steps: dict[str, Series] = defaultdict(Series)
    for number in range(rounds * 2):

        def one_apply() -> None:
            timed = site.run(*program)
            apply.add(timed.ended)
            apply_cpu.add(timed.cpu)

        def one_import() -> None:
            timed = site.run(*imports_argv(modules))
            imports.add(timed.ended)
            imports_cpu.add(timed.cpu)

        _in_turn(number, one_apply, one_import)
        begun = time.monotonic()
        done = site.host.run(*with_steps, within=_WITHIN)
        whole = time.monotonic() - begun
        seconds: dict[str, float] = json.loads(done.out.splitlines()[-1])
        for name, taken in seconds.items():
            steps[name].add(taken)
        steps["start and end of Python"].add(whole - sum(seconds.values()))
    row = [f"{site.router} no-op", apply.spread(), imports.spread(), _ratio(apply, imports)]
    row += [apply_cpu.spread(), imports_cpu.spread(), _ratio(apply_cpu, imports_cpu)]
    return row, steps


def _ratio(one: Series, other: Series) -> str:
    return f"{one.median / other.median:.2f} ({one.minimum / other.minimum:.2f})"


def _all_changes(report: Report, router: Router, options: argparse.Namespace) -> None:
    """Measure one changed prefix among each number of prefixes."""
    after_end: list[float] = []
    repeated = 0
    for count in options.prefixes:
        with ApplySite(router) as site:
            for change in _changes(site, count, options.rounds):
                row = change.row(router, count)
                report.changes.append(row)
                after_end += change.after_end()
                say(f"{row[0]}: {row[2]} to the UPDATE")
            repeated += site.repeated
    if after_end:
        report.notes.append(_note(router, after_end, repeated))


def _note(router: Router, after_end: Sequence[float], repeated: int) -> str:
    """Return a line about the latest UPDATE, which would show FRR's route-map timer."""
    latest = max(after_end)
    relation = "after" if latest > 0 else "before"
    note = f"{router}: the latest UPDATE came {milliseconds(abs(latest))} ms {relation} apply "
    note += f"ended; {repeated} announcements came twice."
    if router == "frr":
        verdict = "never" if latest < _ROUTE_MAP_TIMER / 2 else "PERHAPS"
        note += f" It was {verdict} the route-map timer ({_ROUTE_MAP_TIMER:g} s)."
    return note


def _changes(site: ApplySite, count: int, rounds: int) -> Iterator[Change]:
    """Time a changed LocalPref and a withdrawal, compared with the router's own client."""
    without = site.load(config(count, without=True))
    site.write_config(config(count, local_pref=CHANGED_LOCAL_PREF))
    # The modules of an apply that renders the template, jinja2 among them.
    modules = outside_modules(site.host, *_APPLY, within=_WITHIN)
    lower = site.load(config(count, local_pref=CHANGED_LOCAL_PREF))
    full = site.load(config(count))
    site.wait_until_quiet(count)
    last = prefix(count)
    rounds = max(2, rounds // 3) if count >= _LARGE else rounds
    yield _change(site, ("LocalPref", full, lower, (last, CHANGED_LOCAL_PREF)), modules, rounds)
    yield _change(site, ("withdrawal", full, without, (last, None)), modules, rounds)


def _change(
    site: ApplySite,
    case: tuple[str, Configs, Configs, Expected],
    modules: Sequence[str],
    rounds: int,
) -> Change:
    """Time one change and undo it, `rounds` times. `case`: name, before, after, UPDATE."""
    name, before, after, expected = case
    undone = (expected[0], LOCAL_PREF)
    change = Change(name, Series(), Series(), Series(), Series())

    def apply() -> None:
        timed = site.apply(after, expected)
        change.apply_end.add(timed.ended)
        change.apply_update.add(timed.update or 0.0)
        site.use_client(after, before, undone)

    def client() -> None:
        change.client_update.add(site.use_client(before, after, expected).update or 0.0)
        site.use_client(after, before, undone)

    def start_up() -> None:
        change.start_up.add(site.run(*imports_argv(modules, finalize=False)).ended)

    for number in range(rounds):
        _in_turn(number, apply, client, start_up)
    return change


def _in_turn(number: int, *actions: Callable[[], None]) -> None:
    """Run all actions; each round begins with another one."""
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="rounds (5); no-ops twice, large loads a third")
    of_which = "numbers of prefixes of which one is changed; none: the no-op only"
    add("--prefixes", type=int, nargs="*", default=[1, 100, 1_000, 10_000], help=of_which)
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="(both)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
