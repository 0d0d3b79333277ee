"""Measure what the daemon costs while nothing that it announces changes, and how fast it starts.

`python -m bench.quiet_host` (root). Each row is measured on an idle host and on one where ten pairs
of veths a second come and go, as on a host of containers. The program prints a Markdown table.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from itertools import product
from typing import TYPE_CHECKING

from bench import faults, resources
from bench.daemon_site import DaemonSite, Setting, site_config
from bench.figures import Series, machine, markdown
from bench.progress import measured, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Host
    from bench.daemon_site import Router

_HEAD = (
    "case",
    "start to announced, session up: median (min / p95) ms",
    "its CPU time, ms",
    "idle: CPU s/min, median (min / max)",
    "ten veths a second: CPU s/min",
)
_SETTLED = 8.0  # seconds after the start in which the daemon learns the servers' usual answers
_PARTS = 3  # of the measured time, for the spread
_FIRST = IPv4Address("10.30.0.1")
_LABELLED = 3  # prefixes that the site has in any case
_NOISE = """
i=0
while :; do
    ip link add n$i type veth peer name p$i && ip link set n$i up && ip link set p$i up
    sleep 0.1
    ip link del n$i
    i=$(((i + 1) % 1000))
done
"""


@dataclass
class Figures:
    """The figures of one router with one number of prefixes."""

    name: str
    start: Series = field(default_factory=Series)
    start_cpu: Series = field(default_factory=Series)
    """CPU time, children included: on a busy machine it says more than the time."""
    idle: list[float] = field(default_factory=list)
    """CPU seconds in a minute, in each part of the measured time."""
    noisy: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        """Return the table row, for `_HEAD`."""
        starts = self.start.spread(), self.start_cpu.spread()
        return [self.name, *starts, _spread(self.idle), _spread(self.noisy)]


def main() -> int:
    """Measure each router, and print the table."""
    options = _options()
    print(machine())
    cases = [*product(options.router, options.prefixes)]
    found: list[Figures] = []
    for router, count in cases:
        name = f"{router.upper()}, {count:,} prefixes"
        found += measured(name, partial(_measure, Figures(name), router, count, options))
    print(f"\n{markdown(_HEAD, [one.row() for one in found])}")
    return int(len(found) < len(cases))


def _measure(figures: Figures, router: Router, count: int, options: argparse.Namespace) -> Figures:
    config = site_config()
    config["anycast"]["decrease"] = 0  # or many labels would need a LocalPref below 0
    more = range(max(0, count - _LABELLED))
    with DaemonSite(Setting(router), config, prefixes=_LABELLED + len(more)) as site:
        _label(site.host, more)
        faults.unbound(site.host)
        site.start()
        for _ in range(options.starts):
            site.stop()
            figures.start.add(site.start())
            figures.start_cpu.add(resources.cpu(site.daemon.pid))
        time.sleep(_SETTLED)
        figures.idle = _rates(site, options.seconds)
        with _noise(site.host):
            figures.noisy = _rates(site, options.seconds)
        if site.peer.withdrawals():
            say(f"{figures.name}: the peer received a withdrawal")
    return figures


def _label(host: Host, numbers: range) -> None:
    """Add so many more labelled addresses."""
    lines = (f"address add {_FIRST + n}/32 dev lo label lo:dns{n + 100}\n" for n in numbers)
    host.run("ip", "-batch", "-", stdin="".join(lines))


@contextlib.contextmanager
def _noise(host: Host) -> Iterator[None]:
    """Let veths come and go inside the `with` block."""
    noise = host.start("sh", "-c", _NOISE, name="noise")
    try:
        yield
    finally:
        noise.kill()


def _rates(site: DaemonSite, seconds: float) -> list[float]:
    return [resources.idle(site, seconds / _PARTS).cpu for _ in range(_PARTS)]


def _spread(rates: list[float]) -> str:
    return f"{statistics.median(rates):.2f} ({min(rates):.2f} / {max(rates):.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=45, help="seconds of each measurement of CPU time (45)")
    add("--starts", type=int, default=7, help="starts of the daemon (7)")
    add("--prefixes", type=int, nargs="+", default=[3, 2_000], help="numbers of prefixes")
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="(both)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
