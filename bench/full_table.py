"""Measure the daemon beside a router with a full table and eight sessions of the operator.

`python -m bench.full_table` (root). Each router runs once with the table and once without it.
The program prints a Markdown table.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from functools import partial

from bench import faults, resources
from bench.daemon_site import Setting
from bench.figures import Series, machine, markdown, milliseconds
from bench.full_table_site import FullTableSite
from bench.progress import measured

_HEAD = (
    "case",
    "start to announced, ms",
    "daemon, idle CPU s/min",
    "router, idle CPU s/min",
    "router without the daemon",
    "killed: median (min / p95) ms",
    "all back",
)
_SETTLED = 65.0  # seconds after which FRR is asked with one call of vtysh again
_PARTS = 3  # of the idle time, for the spread


@dataclass
class Figures:
    """The figures of one router and one size of its table."""

    name: str
    start: float = 0.0
    daemon: list[float] = field(default_factory=list)
    """CPU seconds in a minute, in each part of the idle time."""
    router: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    """The router before the daemon was started."""
    killed: Series = field(default_factory=Series)
    back: Series = field(default_factory=Series)

    def row(self) -> list[str]:
        """Return the table row, for `_HEAD`."""
        cpu = [_spread(one) for one in (self.daemon, self.router, self.alone)]
        times = [one.spread() for one in (self.killed, self.back)]
        return [self.name, milliseconds(self.start), *cpu, *times]


def main() -> int:
    """Measure each router with and without the table, and print the figures."""
    options = _options()
    begun = time.monotonic()
    print(machine())
    found: list[Figures] = []
    failed = False
    for router in options.router:
        for routes in (options.routes, 1):
            name = f"{router.upper()}, {routes:,} route" + ("s" if routes > 1 else "")
            measure = partial(_measure, Figures(name), Setting(router), routes, options)
            figures = measured(name, measure)
            failed |= not figures
            found += figures
    print(f"\n{markdown(_HEAD, [one.row() for one in found])}")
    print(f"\n{options.rounds} rounds, {time.monotonic() - begun:.0f} s in all")
    return int(failed)


def _measure(
    figures: Figures, setting: Setting, routes: int, options: argparse.Namespace
) -> Figures:
    with FullTableSite(setting, routes) as site:
        killed = faults.Killed(faults.unbound(site.host))
        site.wait_for_table()
        site.wait_for_clients()
        figures.alone = _idle([site.router.pid], options.idle)[0]
        figures.start = site.start()
        time.sleep(options.settled)
        pids = [site.daemon.pid, site.router.pid]
        figures.daemon, figures.router = _idle(pids, options.idle)
        for _ in range(options.rounds):
            # Any phase of the three seconds from one read-back to the next.
            time.sleep(2 + 3 * random.random())  # noqa: S311 - a phase
            site.peer.read()
            at = killed.cause()
            figures.killed.add(site.peer.wait_for_last("withdraw", 0) - at)
            time.sleep(1)
            at = killed.clear()
            figures.back.add(site.peer.wait_for_last("announce", site.prefixes) - at)
    return figures


def _idle(pids: list[int], seconds: float) -> list[list[float]]:
    """Return for each process its CPU seconds in a minute, in each part of the time."""
    found: list[list[float]] = [[] for _ in pids]
    for _ in range(_PARTS):
        used, begun = [resources.cpu(pid) for pid in pids], time.monotonic()
        time.sleep(seconds / _PARTS)
        for at, pid in enumerate(pids):
            rate = (resources.cpu(pid) - used[at]) * 60 / (time.monotonic() - begun)
            found[at].append(rate)
    return found


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} / {max(values):.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routes", type=int, default=300_000)
    parser.add_argument("--router", nargs="+", choices=("bird", "frr"), default=["bird", "frr"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds")
    parser.add_argument("--settled", type=float, default=_SETTLED, help="seconds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
