"""Measure the time from a fault to the WITHDRAW at the peer, with the daemon on BIRD and on FRR.

`python -m bench.failover` (root) sets up labs with a DNS server, a router, the daemon, and a BGP
peer that logs the time of each UPDATE. The daemon checks each second with a timeout of 1 s and a
`fall` of 2, the default; faults are caused at a random phase of that second. The program prints
Markdown tables, which docs/performance.md explains.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab.lab import RELEASE_VARIABLE
from anycast_routed.lab.releases import RELEASES
from bench import clients, faults, reloads, resources
from bench.cases import HEAD, CaseRunner
from bench.daemon_site import DaemonSite, Setting, site_config
from bench.figures import machine, markdown
from bench.progress import report_failure, say
from bench.svg import Row, figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.cases import Case, Report
    from bench.daemon_site import Router
    from bench.figures import Series

# The pulse acts on one change of a server's answers per second, so faults come less often.
_BETWEEN_CHANGES = 1.5
_DRAWN = ("killed", "hung", "SERVFAIL")


def main() -> int:
    """Measure, print the tables, and draw the figure."""
    options = _options()
    begun = time.monotonic()
    if options.release:
        os.environ[RELEASE_VARIABLE] = options.release
    print(machine())
    runner = CaseRunner(options)
    failed = False
    for part in _parts(runner):
        try:
            part()
        except AnycastRoutedError as error:
            failed = True
            report_failure(f"{part.func.__name__} {part.args[1:]}", error)
    report = runner.report
    _print_failover(report)
    _print_others(report)
    print(f"\n{options.runs} runs of a case, --seed {options.seed}, ", end="")
    print(f"{time.monotonic() - begun:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=1) + "\n", "utf-8")
    if options.svg and any(one.name in _DRAWN for one in report.cases):
        options.svg.write_text(_drawn(report.cases), "utf-8")
    return int(failed or any(count for _, _, count in report.without_fault))


def _parts(runner: CaseRunner) -> Iterator[partial[None]]:
    for router in runner.options.router:
        yield partial(as_root, runner, router)
        if router == "bird":
            yield partial(unprivileged, runner, router, pid_file=True)
        yield partial(unprivileged, runner, router, pid_file=False)
    if "bird" in runner.options.router:
        yield partial(nsd, runner)
        yield partial(large_memory, runner)
        yield partial(reloads.measure, runner)
        if re.search(runner.options.only, "BIRD: clients"):
            yield partial(clients.measure, runner)


def as_root(runner: CaseRunner, router: Router) -> None:
    """Measure the daemon as root, which can see the owners of all sockets."""
    bird = router == "bird"
    with DaemonSite(Setting(router), site_config()) as site:
        server = faults.unbound(site.host)
        killed, hung = faults.Killed(server), faults.Hung(server)
        runner.start(site)
        if runner.selects(site.setting, "idle"):
            time.sleep(5)
            runner.report.idle[router.upper()] = resources.idle(site, runner.options.idle)
            runner.report.import_memory = resources.import_memory(site.host)
            say(str(runner.report.idle))
        measure = partial(runner.measure_fault, site)
        measure("killed", killed, aim="10 (p95 20)" if bird else "100")
        runner.measure_baseline(site, killed)
        measure("hung", hung, aim="100" if bird else "190")
        servfail = faults.Servfail(server)
        measure("SERVFAIL", servfail, aim="200" if bird else "290", rest=_BETWEEN_CHANGES)
        measure("dropped by nft", faults.Dropped(server))
        measure("killed", killed, aim="30" if bird else "", loaded=True)
        if bird:
            measure("hung", hung, loaded=True)
            runner.measure_without_fault(site, "unbound saturated", runner.options.saturated)


def nsd(runner: CaseRunner) -> None:
    """Measure NSD: under load, and with each of two workers hung in turn."""
    with DaemonSite(Setting("bird"), site_config()) as site:
        server = faults.nsd(site.host)
        runner.start(site)
        runner.measure_fault(site, "NSD killed", faults.Killed(server), aim="30", loaded=True)
        runner.measure_without_fault(site, "NSD saturated", runner.options.saturated)
    with DaemonSite(Setting("bird"), site_config()) as site:
        server = faults.nsd(site.host, workers=2)
        runner.start(site)
        for which, worker in zip(("first", "second"), server.workers(), strict=True):
            with faults.paused(worker):
                name = f"the {which} of two workers hung"
                runner.measure_without_fault(site, name, 15, loaded=False)


def large_memory(runner: CaseRunner) -> None:
    """Kill servers whose memory the kernel takes long to free."""
    for gib, runs in ((1, 3), (4, 3)):
        for setting in (Setting("bird"), Setting("bird", unprivileged=True)):
            name = f"{gib} GiB killed"
            if not runner.selects(setting, name) or (setting.unprivileged and gib > 1):
                continue
            with DaemonSite(setting, site_config()) as site:
                server = faults.LargeMemoryServer(site.host, gib)
                runner.start(site)
                runner.measure_fault(site, name, faults.Killed(server), runs=runs)


def unprivileged(runner: CaseRunner, router: Router, *, pid_file: bool) -> None:
    """Measure the daemon without privileges, with a DNS server of another user."""
    setting = Setting(router, unprivileged=True, pid_file=pid_file)
    with DaemonSite(setting, site_config(pid_file=pid_file)) as site:
        server = faults.unbound(site.host, other_user=True)
        faults.write_pid_file(server)
        runner.start(site)
        runner.measure_fault(site, "killed", faults.Killed(server))
        runner.measure_fault(site, "hung", faults.Hung(server))


def _print_failover(report: Report) -> None:
    _table(
        "Milliseconds from the fault to the last prefix's WITHDRAW at the peer, and from the "
        "server's return to the last prefix's announcement",
        HEAD,
        [case.row() for case in report.cases],
    )
    _table(
        "Compared with the baseline, a minimal script that waits for the kernel's event and sends "
        "the router a prepared change: median (min / p95)",
        ("router", "baseline", "daemon", "daemon / baseline"),
        list(_baseline_rows(report)),
    )
    _table(
        "Milliseconds from the daemon's start to the last announcement: median (min / p95)",
        ("router", "sessions up", "from nothing"),
        [
            [router, _spread(report.starts.get(router)), one.spread()]
            for router, one in report.first_starts.items()
        ],
    )


def _print_others(report: Report) -> None:
    outside, all_modules = report.import_memory
    _table(
        f"Idle. A Python process that only imports the outside modules has {outside:.0f} MiB, "
        f"with the modules of anycast-routed {all_modules:.0f} MiB",
        ("router", "CPU s/min", "RSS MiB"),
        [[name, f"{one.cpu:.2f}", f"{one.rss:.0f}"] for name, one in report.idle.items()],
    )
    _table(
        "Withdrawals without a fault",
        ("case", "seconds", "withdrawals"),
        [[name, f"{seconds:.0f}", str(count)] for name, seconds, count in report.without_fault],
    )
    _table(
        "Questions lost at each event, by a client that asks 1,000 a second",
        clients.HEAD,
        [one.row() for one in report.lost],
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print(f"\n{title}\n\n{markdown(head, rows)}")


def _spread(series: Series | None) -> str:
    return series.spread() if series and series.seconds else "-"


def _baseline_rows(report: Report) -> Iterator[list[str]]:
    for router, baseline in report.baselines.items():
        killed = [one for one in report.cases if (one.setting, one.name) == (router, "killed")]
        if killed and baseline.seconds:
            daemon = killed[0].withdrawn
            ratio = daemon.median / baseline.median
            yield [router, baseline.spread(), daemon.spread(), f"{ratio:.1f}"]


def _drawn(cases: list[Case]) -> str:
    rows = [
        Row(
            f"{one.setting}, {one.name}",
            [second * 1000 for second in one.withdrawn.seconds],
            f"aim: {one.aim} ms" if one.aim else "",
        )
        for one in cases
        if one.setting in {"BIRD", "FRR"} and one.name in _DRAWN
    ]
    title = "From the DNS server's failure to the WITHDRAW at the BGP peer"
    subtitle = "each dot one failure, at a random moment between checks that come once a second"
    return figure(title, subtitle, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--runs", type=int, default=20, help="runs of each case (20)")
    add("--client-runs", type=int, default=10, help="kills while the client asks (10)")
    add("--starts", type=int, default=5, help="starts of the daemon on each router (5)")
    add("--idle", type=float, default=60, help="seconds to measure the idle daemon (60)")
    add("--saturated", type=float, default=60, help="seconds of load without a fault (60)")
    add("--seed", type=int, default=1, help="seed of the random phases (1)")
    add("--only", default="", help='regular expression for cases: "BIRD: (killed|baseline)$"')
    add("--release", choices=RELEASES, help="of the routers (those of this machine)")
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="(both)")
    add("--json", type=Path, help="write all figures to this file")
    add("--svg", type=Path, help="draw the main cases to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
