"""Measure what must grow no faster than the number of prefixes, beside the router's own time.

`python -m bench.growth` (root). The router's own time is that of `disable` on a connection to BIRD
that is already open, in the same run, while the daemon is stopped. The program prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from anycast_routed.announce.bird.answers import down
from anycast_routed.announce.bird.socket import ControlSocket
from anycast_routed.lab import bird, dns
from anycast_routed.lab.lab import RELEASE_VARIABLE
from anycast_routed.lab.releases import RELEASES
from bench import faults
from bench.daemon_site import STATE_DIR, DaemonSite, Setting
from bench.figures import Series, machine, markdown, milliseconds
from bench.progress import measured
from bench.scale import many_services, measure_fault, one_service, server_address

if TYPE_CHECKING:
    from bench.daemon_site import Config, Router

_HEAD = (
    "case",
    "start to announced, ms",
    "killed, ms",
    "the router alone, ms",
    "ratio",
    "back, ms",
)
_WITHIN = 180.0
_SETTLED = 8.0  # seconds in which the daemon learns the servers' usual answers
_LEAST, _MOST = 100, 199


@dataclass
class Figures:
    """The figures of one case."""

    name: str
    start: float = 0.0
    killed: Series = field(default_factory=Series)
    back: Series = field(default_factory=Series)
    alone: Series = field(default_factory=Series)
    """The router's own time to withdraw the same prefixes."""

    def row(self) -> list[str]:
        """Return the table row, for `_HEAD`."""
        killed, alone, back = (
            one.spread() if one.seconds else "-" for one in (self.killed, self.alone, self.back)
        )
        ratio = f"{self.killed.median / self.alone.median:.1f}" if self.alone.seconds else "-"
        return [self.name, milliseconds(self.start), killed, alone, ratio, back]


@dataclass(frozen=True)
class Case:
    """One size on one router."""

    router: Router
    count: int
    unit: str

    @property
    def name(self) -> str:
        """The name in the table."""
        return f"{self.router.upper()}, {self.count:,} {self.unit}"

    def config(self) -> Config:
        """Return the config of anycast-routed."""
        if self.unit == "services":
            return many_services(self.count)
        made = one_service(self.count)
        if self.unit == "LocalPrefs":
            for number, route in enumerate(made["anycast"]["routes"]):
                route["localpref"] = _LEAST + number
        return made


HALF = "prefixes, half of them drained"
CASES = (
    Case("bird", 100, "services"),
    Case("bird", 1_000, "prefixes"),
    Case("bird", 10_000, "prefixes"),
    Case("bird", 1_000, HALF),
    Case("bird", 2_000, HALF),
    Case("bird", 4_000, HALF),
    Case("frr", 1_000, HALF),
    Case("frr", 2_000, HALF),
    Case("frr", 100, "LocalPrefs"),
    Case("frr", 300, "LocalPrefs"),
    Case("frr", 600, "LocalPrefs"),
)


def main() -> int:
    """Measure each case, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="kills of each case (6)")
    parser.add_argument("--only", default="", help='regular expression: "BIRD, 10,000 prefixes$"')
    parser.add_argument(
        "--release", choices=RELEASES, help="of the routers (those of this machine)"
    )
    options = parser.parse_args()
    if options.release:
        os.environ[RELEASE_VARIABLE] = options.release
    print(machine())
    cases = [case for case in CASES if re.search(options.only, case.name)]
    found: list[Figures] = []
    for case in cases:
        found += measured(case.name, partial(_measured, case, options.rounds))
    print(f"\n{markdown(_HEAD, [one.row() for one in found])}")
    return int(len(found) < len(cases))


def _measured(case: Case, rounds: int) -> Figures:
    figures = Figures(case.name)
    drained = case.count // 2 if case.unit == HALF else 0
    with DaemonSite(Setting(case.router), case.config(), prefixes=case.count - drained) as site:
        site.host.write(f"{STATE_DIR}/drains.json", _orders(case, drained))
        addresses = [server_address(one) for one in range(1, case.count + 1)]
        listening = addresses if case.unit == "services" else ["127.0.0.1"]
        server = dns.unbound(site.host, zones={faults.ZONE: ()}, address=listening)
        figures.start = site.start(_WITHIN)
        time.sleep(_SETTLED)
        series = (figures.killed, figures.back)
        for _ in range(rounds):
            measure_fault(site, series, faults.Killed(server), 0, 1)
            if case.router == "bird":
                _disable(site, figures.alone)
    return figures


def _orders(case: Case, drained: int) -> str:
    """Return the drain orders of so many prefixes."""
    routes = case.config()["anycast"]["routes"][:drained] if drained else []
    facts = [{"target": one["ip"], "reason": "", "since": 0.0, "until": None} for one in routes]
    return json.dumps({"schema": 1, "drained": facts})


def _disable(site: DaemonSite, series: Series) -> None:
    """Let BIRD alone withdraw everything, and announce it again, while the daemon is stopped."""
    time.sleep(1 + random.random())  # noqa: S311 - a phase
    site.peer.read()
    with (
        faults.paused(site.daemon.pid),
        ControlSocket(site.host.path(bird.CONTROL), within=_WITHIN) as control,
    ):
        shown = down(control.must('show protocols "anycast_*_v4"')).items()
        names = [name for name, is_down in shown if name.startswith("anycast_") and not is_down]
        at = time.monotonic()
        for name in names:
            control.must(f"disable {name}")
        series.add(site.peer.wait_for_last("withdraw", 0, _WITHIN) - at)
        for name in names:
            control.must(f"enable {name}")
        site.peer.wait(site.prefixes, _WITHIN)


if __name__ == "__main__":
    sys.exit(main())
