"""How the daemon bears many services, and many prefixes of one.

`python -m bench.scale` (root). Each service has a server address and a prefix of its own; one
unbound serves them all, and an NSD of its own the last of them. It prints tables of Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab import dns
from anycast_routed.lab.failures import LabError
from bench import faults, resources
from bench.cases import report_failure, say
from bench.daemon_site import Setting, Stand, ours
from bench.figures import Series, machine, markdown, milliseconds

if TYPE_CHECKING:
    from bench.daemon_site import Router

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
_SETTLED = 8.0  # seconds after the start in which the daemon learns what servers answer
_UNKNOWN = resources.Idle(0.0, 0.0)
_MANY = 1_000  # prefixes from which a third of the rounds stands for all


@dataclass
class Figures:
    """What one size has shown."""

    name: str
    start: float = 0.0
    idle: resources.Idle = _UNKNOWN
    killed: Series = field(default_factory=Series)
    back: Series = field(default_factory=Series)
    one: Series = field(default_factory=Series)
    """When the server of one service alone was killed."""

    def row(self) -> list[str]:
        """Lay it out."""
        series = [
            one.spread() if one.seconds else "-" for one in (self.killed, self.back, self.one)
        ]
        start = milliseconds(self.start)
        return [self.name, start, f"{self.idle.cpu:.2f}", f"{self.idle.rss:.0f}", *series]


def main() -> int:
    """Measure and print."""
    options = _options()
    begun = time.monotonic()
    print(machine())
    found: list[Figures] = []
    failed = False
    for router in options.router:
        services, prefixes = options.services, options.prefixes
        if router == "frr":
            services = [one for one in services if one in options.frr]
            prefixes = [one for one in prefixes if one in options.frr]
        sizes = [(count, "services") for count in services]
        sizes += [(count, "prefixes") for count in prefixes]
        for count, what in sizes:
            name = f"{router.upper()}, {count:,} {what}"
            if re.search(options.only, name):
                measure = _services if what == "services" else _prefixes
                try:
                    found.append(measure(Figures(name), router, count, options))
                    say(" | ".join(found[-1].row()))
                except AnycastRoutedError as error:
                    failed = True
                    report_failure(name, error)
    print(f"\n{markdown(_HEAD, [one.row() for one in found])}")
    print(f"\n{options.rounds} rounds, {time.monotonic() - begun:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return int(failed)


def _services(figures: Figures, router: Router, count: int, options: argparse.Namespace) -> Figures:
    """Measure many services, one prefix each."""
    with Stand(Setting(router), _config(count), prefixes=count) as stand:
        addresses = [_server(number) for number in range(1, count + 1)]
        shared = addresses[: max(1, count - 1)]
        server = dns.unbound(stand.host, zones={faults.ZONE: ()}, address=shared)
        own = None
        if count > 1:
            own = dns.nsd(stand.host, zones={faults.ZONE: ()}, address=addresses[-1:])
        _begin(stand, figures, options)
        left = count - len(shared)
        _strike(stand, figures.killed, figures.back, faults.Killed(server), left, options.rounds)
        if own is not None:
            fault = faults.Killed(own)
            _strike(stand, figures.one, Series(), fault, count - 1, options.rounds)
    return figures


def _prefixes(figures: Figures, router: Router, count: int, options: argparse.Namespace) -> Figures:
    """Measure many prefixes of one service."""
    with Stand(Setting(router), _one_service(count), prefixes=count) as stand:
        server = faults.unbound(stand.host)
        _begin(stand, figures, options)
        rounds = max(2, options.rounds // 3) if count >= _MANY else options.rounds
        _strike(stand, figures.killed, figures.back, faults.Killed(server), 0, rounds)
    return figures


def _begin(stand: Stand, figures: Figures, options: argparse.Namespace) -> None:
    figures.start = stand.start(_WITHIN)
    time.sleep(_SETTLED)
    figures.idle = resources.idle(stand, options.idle)


def _strike(  # noqa: PLR0913, PLR0917 - who, where to, what, how far, how often
    stand: Stand, killed: Series, back: Series, fault: faults.Fault, left: int, rounds: int
) -> None:
    """Bring the fault about until so many prefixes are left, again and again."""
    for _ in range(rounds):
        time.sleep(1 + random.random())  # noqa: S311 - a phase
        stand.ear.hear()
        at = fault.strike()
        told = stand.ear.until(left, _WITHIN)
        gone = [event for event in told if event.kind == "withdraw"]
        if len(gone) != stand.prefixes - left or len(gone) != len(told):
            message = f"{len(told)} messages, {len(gone)} of them withdrawals, not {left} left"
            raise LabError(message)
        killed.add(max(event.at for event in gone) - at)
        time.sleep(1)
        at = fault.heal()
        back.add(stand.ear.latest("announce", stand.prefixes, _WITHIN) - at)


def _server(number: int) -> str:
    return str(_FIRST_SERVER + number - 1)


def _route(number: int) -> dict[str, object]:
    return {"label": f"r{number}", "ip": f"{_FIRST_PREFIX + number - 1}/32"}


def _config(count: int) -> dict[str, Any]:
    services = [
        {
            "name": f"s{number}",
            "dns": {"ip": _server(number), "query": faults.ZONE, "half-life": 0},
            "anycast": {"nexthop-interface": "eth0", "routes": [_route(number)]},
        }
        for number in range(1, count + 1)
    ]
    return {"services": services, **ours()}


def _one_service(count: int) -> dict[str, Any]:
    routes = [_route(number) for number in range(1, count + 1)]
    return {
        "dns": {"ip": "127.0.0.1", "query": faults.ZONE, "half-life": 0},
        "anycast": {"nexthop-interface": "eth0", "routes": routes},
        **ours(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=6, help="kills (6); of many prefixes a third")
    add("--idle", type=float, default=15, help="seconds to watch the idle daemon (15)")
    add("--services", type=int, nargs="*", default=[1, 10, 100], help="how many")
    add("--prefixes", type=int, nargs="*", default=[1, 100, 1_000, 10_000], help="how many")
    add("--frr", type=int, nargs="*", default=[100, 1_000], help="of both, those on FRR too")
    add("--only", default="", help='a regular expression for cases: "BIRD, 100 services"')
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="which")
    add("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
