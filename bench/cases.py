"""Runs the cases of the failover benchmark: one fault many times, each at a random phase."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from anycast_routed.lab import dnsperf
from bench import resources
from bench.baseline import Baseline
from bench.figures import Series, milliseconds
from bench.progress import say

if TYPE_CHECKING:
    import argparse

    from anycast_routed.lab import Host
    from anycast_routed.lab.dnsperf import Load
    from bench.daemon_site import DaemonSite, Setting
    from bench.faults import Fault
    from bench.figures import LostQuestions

HEAD: Final = ("case", "n", "min", "median", "p95", "max", "aim", "back: median", "max")
_SETTLED = 0.2  # seconds after a recovery in which the daemon may still read back
_PHASE = 1.0  # seconds from one check to the next
_WITHIN = 20.0


def saturate(host: Host, seconds: float) -> Load:
    """Start dnsperf on this host: for `seconds` it asks the server more than it can answer.

    dnsperf sends to the same socket as the daemon's own checks. It uses ten ports with 6,000
    unanswered questions in all, so that this socket overflows again and again.
    """
    return dnsperf.start(
        host, "127.0.0.1", seconds=seconds, clients=10, outstanding=6000, patience=0.02
    )


@dataclass
class Case:
    """One kind of fault in one setting, and its figures."""

    setting: str
    name: str
    aim: str = ""
    withdrawn: Series = field(default_factory=Series)
    back: Series = field(default_factory=Series)

    def row(self) -> list[str]:
        """Return the table row, for `HEAD`."""
        one = self.withdrawn
        times = [milliseconds(value) for value in (one.minimum, one.median, one.p95, one.maximum)]
        back = [milliseconds(value) for value in (self.back.median, self.back.maximum)]
        return [f"{self.setting}: {self.name}", str(len(one.seconds)), *times, self.aim, *back]


@dataclass
class Report:
    """All figures of the failover benchmark."""

    cases: list[Case] = field(default_factory=list)
    baselines: dict[str, Series] = field(default_factory=dict)
    starts: dict[str, Series] = field(default_factory=dict)
    first_starts: dict[str, Series] = field(default_factory=dict)
    idle: dict[str, resources.Idle] = field(default_factory=dict)
    import_memory: tuple[float, float] = (0.0, 0.0)
    without_fault: list[tuple[str, float, int]] = field(default_factory=list)
    """Measurements without a fault: case, seconds, number of withdrawals."""
    lost: list[LostQuestions] = field(default_factory=list)


class CaseRunner:
    """Runs the cases that the options select, and collects their figures in `report`."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.report = Report()
        self._random = random.Random(options.seed)  # noqa: S311 - a phase that can be repeated

    def wait(self) -> None:
        """Wait until the daemon has settled, and then for a random part of a second."""
        time.sleep(_SETTLED + self._random.uniform(0, _PHASE))

    def selects(self, setting: Setting, name: str) -> bool:
        """Return whether `--only` selects the case."""
        return re.search(self.options.only, f"{setting.name}: {name}") is not None

    def start(self, site: DaemonSite) -> None:
        """Start the daemon for the first time at a site, while no BGP session is up yet."""
        first = self.report.first_starts.setdefault(site.setting.router.upper(), Series())
        first.add(site.start())

    def measure_fault(  # noqa: PLR0913 - the columns of the table
        self,
        site: DaemonSite,
        name: str,
        fault: Fault,
        *,
        aim: str = "",
        runs: int = 0,
        loaded: bool = False,
        rest: float = 0.0,
    ) -> None:
        """Cause one fault `runs` times, with `rest` seconds between; `loaded`: under dnsperf."""
        case = Case(site.setting.name, name + (", saturated" if loaded else ""), aim)
        if not self.selects(site.setting, case.name):
            return
        for _ in range(runs or self.options.runs):
            asking = saturate(site.host, 60) if loaded else None
            time.sleep(rest)
            self.wait()
            site.peer.read()
            at = fault.cause()
            case.withdrawn.add(site.peer.wait_for_last("withdraw", 0, _WITHIN) - at)
            if asking is not None:
                asking.daemon.kill()
            time.sleep(_SETTLED)
            at = fault.clear()
            case.back.add(site.peer.wait_for_last("announce", site.prefixes, _WITHIN) - at)
        self.report.cases.append(case)
        say(" ".join(case.row()))

    def measure_baseline(self, site: DaemonSite, fault: Fault) -> None:
        """Measure the baseline; then start the daemon again while the sessions are up."""
        router = site.setting.router.upper()
        if not self.selects(site.setting, "baseline"):
            return
        baseline = Baseline(site, fault)
        site.stop()
        series = self.report.baselines.setdefault(router, Series())
        for _ in range(self.options.runs):
            series.add(baseline.measure(fault))
        starts = self.report.starts.setdefault(router, Series())
        for number in range(self.options.starts):
            if number:
                site.stop()
            starts.add(site.start())
        say(f"{router}: baseline {series.spread()}; start {starts.spread()}")

    def measure_without_fault(
        self, site: DaemonSite, name: str, seconds: float, *, loaded: bool = True
    ) -> None:
        """Count the withdrawals of `seconds` without a fault; `loaded`: under dnsperf."""
        if not self.selects(site.setting, name):
            return
        site.peer.read()
        before = resources.cpu(site.daemon.pid)
        if loaded:
            result = saturate(site.host, seconds).result()
            name += f" ({result.qps:,.0f} answers/s, {result.lost / result.sent:.0%} lost)"
        else:
            time.sleep(seconds)
        used = (resources.cpu(site.daemon.pid) - before) * 60 / seconds
        name += f", daemon {used:.1f} CPU s/min"
        found = (f"{site.setting.name}: {name}", seconds, site.peer.withdrawals())
        self.report.without_fault.append(found)
        say(str(found))
