"""Cases: one fault again and again at a random phase, and all else that is measured of failover."""

from __future__ import annotations

import random
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from anycast_routed.lab import dnsperf
from bench import resources
from bench.baseline import Bare
from bench.figures import Series, milliseconds

if TYPE_CHECKING:
    import argparse

    from anycast_routed.errors import AnycastRoutedError
    from anycast_routed.lab import Host
    from anycast_routed.lab.dnsperf import Load
    from bench.clients import Lost
    from bench.daemon_site import Setting, Stand
    from bench.faults import Fault

HEAD: Final = ("case", "n", "min", "median", "p95", "max", "aim", "back: median", "max")
_SETTLED = 0.2  # seconds after a recovery in which the daemon may still read back
_PHASE = 1.0  # seconds: from one check to the next
_WITHIN = 20.0


def saturate(host: Host, seconds: float) -> Load:
    """Ask the server of this host all that it can answer and more, for so long.

    dnsperf is on the same host and asks the very socket that our own questions go to. From ten
    ports with so many questions on their way that socket overflows again and again.
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
        """Lay it out."""
        one = self.withdrawn
        times = [milliseconds(value) for value in (one.least, one.median, one.p95, one.most)]
        back = [milliseconds(value) for value in (self.back.median, self.back.most)]
        return [f"{self.setting}: {self.name}", str(len(one.seconds)), *times, self.aim, *back]


@dataclass
class Report:
    """All that was measured."""

    cases: list[Case] = field(default_factory=list)
    floors: dict[str, Series] = field(default_factory=dict)
    starts: dict[str, Series] = field(default_factory=dict)
    first_starts: dict[str, Series] = field(default_factory=dict)
    idle: dict[str, resources.Idle] = field(default_factory=dict)
    memory_floors: tuple[float, float] = (0.0, 0.0)
    false: list[tuple[str, float, int]] = field(default_factory=list)
    """What was withdrawn though nothing was wrong: case, seconds, number of withdrawals."""
    lost: list[Lost] = field(default_factory=list)


class Bench:
    """Runs cases; how often, and at what phases."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.report = Report()
        self._random = random.Random(options.seed)  # noqa: S311 - a phase, and to be had again

    def wait(self) -> None:
        """Wait until the daemon has settled, and then for a random part of a second."""
        time.sleep(_SETTLED + self._random.uniform(0, _PHASE))

    def wants(self, setting: Setting, name: str) -> bool:
        """Tell whether the case was asked for."""
        return re.search(self.options.only, f"{setting.name}: {name}") is not None

    def begin(self, stand: Stand) -> None:
        """Start the daemon for the first time in a lab: its sessions come up with it."""
        first = self.report.first_starts.setdefault(stand.setting.router.upper(), Series())
        first.add(stand.start())

    def case(  # noqa: PLR0913 - what a line of the table says
        self,
        stand: Stand,
        name: str,
        fault: Fault,
        *,
        aim: str = "",
        runs: int = 0,
        loaded: bool = False,
        rest: float = 0.0,
    ) -> None:
        """Bring one fault about again and again, with so many seconds of rest between."""
        case = Case(stand.setting.name, name + (", saturated" if loaded else ""), aim)
        if not self.wants(stand.setting, case.name):
            return
        for _ in range(runs or self.options.runs):
            asking = saturate(stand.host, 60) if loaded else None
            time.sleep(rest)
            self.wait()
            stand.ear.hear()
            at = fault.strike()
            case.withdrawn.add(stand.ear.latest("withdraw", 0, _WITHIN) - at)
            if asking is not None:
                asking.daemon.kill()
            time.sleep(_SETTLED)
            at = fault.heal()
            case.back.add(stand.ear.latest("announce", stand.prefixes, _WITHIN) - at)
        self.report.cases.append(case)
        say(" ".join(case.row()))

    def bare(self, stand: Stand, fault: Fault) -> None:
        """Measure what nobody can beat; then start the daemon again, where sessions are up."""
        router = stand.setting.router.upper()
        if not self.wants(stand.setting, "floor"):
            return
        bare = Bare(stand, fault)
        stand.stop()
        floor = self.report.floors.setdefault(router, Series())
        for _ in range(self.options.runs):
            floor.add(bare.strike(fault))
        starts = self.report.starts.setdefault(router, Series())
        for number in range(self.options.starts):
            if number:
                stand.stop()
            starts.add(stand.start())
        say(f"{router}: floor {floor.spread()}; start {starts.spread()}")

    def quiet(self, stand: Stand, name: str, seconds: float, *, loaded: bool = True) -> None:
        """Count what is withdrawn while nothing is wrong."""
        if not self.wants(stand.setting, name):
            return
        stand.ear.hear()
        before = resources.cpu(stand.ours.pid)
        if loaded:
            result = saturate(stand.host, seconds).result()
            name += f" ({result.qps:,.0f} answers/s, {result.lost / result.sent:.0%} lost)"
        else:
            time.sleep(seconds)
        used = (resources.cpu(stand.ours.pid) - before) * 60 / seconds
        name += f", daemon {used:.1f} CPU s/min"
        self.report.false.append(
            (f"{stand.setting.name}: {name}", seconds, stand.ear.withdrawals())
        )
        say(str(self.report.false[-1]))


def say(text: str) -> None:
    """Show progress."""
    print(f"  {text}", file=sys.stderr, flush=True)


def report_failure(what: str, error: AnycastRoutedError) -> None:
    """Say what could not be measured, and all that its lab knows; the others are measured."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    say(f"FAILED: {what}: {error}\n{notes}")
