"""Measure the daemon with many services, and with many prefixes of one service.

`python -m bench.scale` (root). Each service has its own server address and prefix. One unbound
serves all services but the last, which has its own NSD. The program prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.lab import dns
from anycast_routed.lab.failures import LabError
from bench import faults, resources
from bench.daemon_site import DaemonSite, Setting, shared_sections
from bench.figures import Series, machine, markdown, milliseconds
from bench.progress import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.daemon_site import Config, Router

_HEAD = (
    "case",
    "start to announced, ms",
    "idle CPU s/min",
    "RSS MiB",
    "all killed: median (min / p95) ms",
    "all back",
    "one killed",
)
_FIRST_SERVER, _FIRST_PREFIX = IPv4Address("127.1.0.1"), IPv4Address("10.20.0.1")
_WITHIN = 120.0
_SETTLED = 8.0  # seconds after the start in which the daemon learns the servers' usual answers
_UNKNOWN = resources.Idle(0.0, 0.0)
_MANY = 1_000  # prefixes from which only a third of the rounds is run


@dataclass
class Figures:
    """The figures of one size."""

    name: str
    start: float = 0.0
    idle: resources.Idle = _UNKNOWN
    killed: Series = field(default_factory=Series)
    back: Series = field(default_factory=Series)
    one: Series = field(default_factory=Series)
    """The server of only one service was killed."""

    def row(self) -> list[str]:
        """Return the table row, for `_HEAD`."""
        series = [
            one.spread() if one.seconds else "-" for one in (self.killed, self.back, self.one)
        ]
        start = milliseconds(self.start)
        return [self.name, start, f"{self.idle.cpu:.2f}", f"{self.idle.rss:.0f}", *series]


def main() -> int:
    """Measure each size and print the table."""
    options = _options()
    begun = time.monotonic()
    print(machine())
    found: list[Figures] = []
    failed = False
    for router, count, unit in _sizes(options):
        name = f"{router.upper()}, {count:,} {unit}"
        if re.search(options.only, name):
            measure = _services if unit == "services" else _prefixes
            figures = measured(name, partial(measure, Figures(name), router, count, options))
            failed |= not figures
            found += figures
    print(f"\n{markdown(_HEAD, [one.row() for one in found])}")
    print(f"\n{options.rounds} rounds, {time.monotonic() - begun:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return int(failed)


def _sizes(options: argparse.Namespace) -> Iterator[tuple[Router, int, str]]:
    """Yield router, count, and "services" or "prefixes"; on FRR only the sizes of `--frr`."""
    for router in options.router:
        for unit, counts in (("services", options.services), ("prefixes", options.prefixes)):
            for count in counts:
                if router == "bird" or count in options.frr:
                    yield router, count, unit


def _services(figures: Figures, router: Router, count: int, options: argparse.Namespace) -> Figures:
    """Measure many services, one prefix each."""
    with DaemonSite(Setting(router), many_services(count), prefixes=count) as site:
        addresses = [server_address(number) for number in range(1, count + 1)]
        shared = addresses[: max(1, count - 1)]
        server = dns.unbound(site.host, zones={faults.ZONE: ()}, address=shared)
        own = None
        if count > 1:
            own = dns.nsd(site.host, zones={faults.ZONE: ()}, address=addresses[-1:])
        _start(site, figures, options)
        left, rounds = count - len(shared), options.rounds
        measure_fault(site, (figures.killed, figures.back), faults.Killed(server), left, rounds)
        if own is not None:
            series = (figures.one, Series())
            measure_fault(site, series, faults.Killed(own), count - 1, rounds)
    return figures


def _prefixes(figures: Figures, router: Router, count: int, options: argparse.Namespace) -> Figures:
    """Measure many prefixes of one service."""
    with DaemonSite(Setting(router), one_service(count), prefixes=count) as site:
        server = faults.unbound(site.host)
        _start(site, figures, options)
        rounds = max(2, options.rounds // 3) if count >= _MANY else options.rounds
        measure_fault(site, (figures.killed, figures.back), faults.Killed(server), 0, rounds)
    return figures


def _start(site: DaemonSite, figures: Figures, options: argparse.Namespace) -> None:
    figures.start = site.start(_WITHIN)
    time.sleep(_SETTLED)
    figures.idle = resources.idle(site, options.idle)


def measure_fault(
    site: DaemonSite, series: tuple[Series, Series], fault: faults.Fault, left: int, rounds: int
) -> None:
    """Cause the fault `rounds` times, each until `left` prefixes are left at the peer.

    `series` are those of the withdrawals and of the announcements that follow.
    """
    killed, back = series
    for _ in range(rounds):
        time.sleep(1 + random.random())  # noqa: S311 - a phase
        site.peer.read()
        at = fault.cause()
        received = site.peer.wait(left, _WITHIN)
        gone = [event for event in received if event.kind == "withdraw"]
        if len(gone) != site.prefixes - left or len(gone) != len(received):
            message = f"the peer received {len(received)} messages, {len(gone)} of them "
            message += f"withdrawals; {site.prefixes - left} withdrawals only were expected"
            raise LabError(message)
        killed.add(max(event.at for event in gone) - at)
        time.sleep(1)
        at = fault.clear()
        back.add(site.peer.wait_for_last("announce", site.prefixes, _WITHIN) - at)


def server_address(number: int) -> str:
    """Return the server address of the n-th service, from 1."""
    return str(_FIRST_SERVER + number - 1)


def _route(number: int) -> dict[str, object]:
    return {"label": f"r{number}", "ip": f"{_FIRST_PREFIX + number - 1}/32"}


def many_services(count: int) -> Config:
    """Return a config of so many services, each with its own server address and prefix."""
    services = [
        {
            "name": f"s{number}",
            "dns": {"ip": server_address(number), "query": faults.ZONE, "half-life": 0},
            "anycast": {"nexthop-interface": "eth0", "routes": [_route(number)]},
        }
        for number in range(1, count + 1)
    ]
    return {"services": services, **shared_sections()}


def one_service(count: int) -> Config:
    """Return a config of one service with so many prefixes."""
    routes = [_route(number) for number in range(1, count + 1)]
    return {
        "dns": {"ip": "127.0.0.1", "query": faults.ZONE, "half-life": 0},
        "anycast": {"nexthop-interface": "eth0", "routes": routes},
        **shared_sections(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=6, help="kills (6); a third with many prefixes")
    add("--idle", type=float, default=15, help="seconds to measure the idle daemon (15)")
    add("--services", type=int, nargs="*", default=[1, 10, 100], help="numbers of services")
    add("--prefixes", type=int, nargs="*", default=[1, 100, 1_000, 10_000], help="of prefixes")
    add("--frr", type=int, nargs="*", default=[100, 1_000], help="of these, the numbers for FRR")
    add("--only", default="", help='regular expression for cases: "BIRD, 100 services"')
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="(both)")
    add("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
