"""From the fault to the WITHDRAW at the peer: our daemon on BIRD and on FRR.

`python -m bench.failover` (root) lays out labs with a DNS server, a router and our daemon, and a
BGP peer that writes down when each UPDATE comes. Checks are made each second with a timeout of 1 s
and a `fall` of 2, the default; faults come at a random phase of that second. It prints tables of
Markdown; docs/performance.md says what they mean.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from bench import clients, faults, resources
from bench.cases import HEAD, Bench, report_failure, say
from bench.daemon_site import Setting, Stand, seed
from bench.figures import machine, markdown
from bench.svg import Row, figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.cases import Case, Report
    from bench.daemon_site import Router
    from bench.figures import Series

# The pulse follows one change of a server's answers a second, so that none can keep us checking.
_CHANGES = 1.5
_DRAWN = ("killed", "hung", "SERVFAIL")


def main() -> int:
    """Measure, print, and draw."""
    options = _options()
    begun = time.monotonic()
    print(machine())
    bench = Bench(options)
    failed = False
    for part in _parts(bench):
        try:
            part()
        except AnycastRoutedError as error:
            failed = True
            report_failure(str(part), error)
    report = bench.report
    _print(report)
    print(f"\n{options.runs} runs of a case, --seed {options.seed}, ", end="")
    print(f"{time.monotonic() - begun:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=1) + "\n", "utf-8")
    if options.svg and any(one.name in _DRAWN for one in report.cases):
        options.svg.write_text(_drawn(report.cases), "utf-8")
    return int(failed or any(count for _, _, count in report.false))


def _parts(bench: Bench) -> Iterator[partial[None]]:
    for router in bench.options.router:
        yield partial(by_root, bench, router)
        if router == "bird":
            yield partial(as_shipped, bench, router, pid_file=True)
        yield partial(as_shipped, bench, router, pid_file=False)
    if "bird" in bench.options.router:
        yield partial(by_root_nsd, bench)
        yield partial(big, bench)
        if re.search(bench.options.only, "BIRD: clients"):
            yield partial(clients.measure, bench)


def by_root(bench: Bench, router: Router) -> None:
    """Measure the daemon as root, which sees whose the sockets are."""
    bird = router == "bird"
    with Stand(Setting(router), seed()) as stand:
        server = faults.unbound(stand.host)
        killed, hung = faults.Killed(server), faults.Hung(server)
        bench.begin(stand)
        if bench.wants(stand.setting, "idle"):
            time.sleep(5)
            bench.report.idle[router.upper()] = resources.idle(stand, bench.options.idle)
            bench.report.memory_floors = resources.floors(stand.host)
            say(str(bench.report.idle))
        bench.case(stand, "killed", killed, aim="10 (p95 20)" if bird else "100")
        bench.bare(stand, killed)
        bench.case(stand, "hung", hung, aim="100" if bird else "190")
        failing = faults.Failing(server)
        bench.case(stand, "SERVFAIL", failing, aim="200" if bird else "290", rest=_CHANGES)
        bench.case(stand, "dropped by nft", faults.Dropped(server))
        bench.case(stand, "killed", killed, aim="30" if bird else "", loaded=True)
        if bird:
            bench.case(stand, "hung", hung, loaded=True)
            bench.quiet(stand, "unbound saturated", bench.options.saturated)


def by_root_nsd(bench: Bench) -> None:
    """Measure NSD: under load, and with one of two workers hung."""
    with Stand(Setting("bird"), seed()) as stand:
        server = faults.nsd(stand.host)
        bench.begin(stand)
        bench.case(stand, "NSD killed", faults.Killed(server), aim="30", loaded=True)
        bench.quiet(stand, "NSD saturated", bench.options.saturated)
    with Stand(Setting("bird"), seed()) as stand:
        both = faults.nsd(stand.host, workers=2)
        bench.begin(stand)
        for worker in both.workers():
            with faults.paused(worker):
                bench.quiet(stand, "one of two workers hung", 15, loaded=False)


def big(bench: Bench) -> None:
    """Kill servers whose memory the kernel takes long to free."""
    for gib, runs in ((1, 3), (4, 3)):
        for setting in (Setting("bird"), Setting("bird", shipped=True)):
            name = f"{gib} GiB killed"
            if not bench.wants(setting, name) or (setting.shipped and gib > 1):
                continue
            with Stand(setting, seed()) as stand:
                server = faults.Hog(stand.host, gib)
                bench.begin(stand)
                bench.case(stand, name, faults.Killed(server), runs=runs)


def as_shipped(bench: Bench, router: Router, *, pid_file: bool) -> None:
    """Measure the daemon without privileges, where the DNS server is another user's."""
    setting = Setting(router, shipped=True, pid_file=pid_file)
    with Stand(setting, seed(pid_file=pid_file)) as stand:
        server = faults.unbound(stand.host, other_user=True)
        faults.note_pid(server)
        bench.begin(stand)
        bench.case(stand, "killed", faults.Killed(server))
        bench.case(stand, "hung", faults.Hung(server))


def _print(report: Report) -> None:
    _table(
        "Milliseconds from the fault to the last prefix's WITHDRAW at the peer, and from the "
        "server's return to the last prefix's announcement",
        HEAD,
        [case.row() for case in report.cases],
    )
    _table(
        "Beside the floor, a bare script that waits for the kernel's event and tells the router: "
        "median (min / p95)",
        ("router", "floor", "ours", "ours / floor"),
        list(_floors(report)),
    )
    _table(
        "Milliseconds from the daemon's start to the last announcement: median (min / p95)",
        ("router", "sessions up", "from nothing"),
        [
            [router, _spread(report.starts.get(router)), one.spread()]
            for router, one in report.first_starts.items()
        ],
    )
    bare, ours = report.memory_floors
    _table(
        f"Idle. A Python that only imports others' modules has {bare:.0f} MiB, one that imports "
        f"ours too {ours:.0f} MiB",
        ("router", "CPU s/min", "RSS MiB"),
        [[name, f"{one.cpu:.2f}", f"{one.rss:.0f}"] for name, one in report.idle.items()],
    )
    _table(
        "Withdrawn though nothing was wrong",
        ("case", "seconds", "withdrawals"),
        [[name, f"{seconds:.0f}", str(count)] for name, seconds, count in report.false],
    )
    _table(
        "Questions lost at each event, of a client that asks 1,000 a second",
        clients.HEAD,
        [one.row() for one in report.lost],
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print(f"\n{title}\n\n{markdown(head, rows)}")


def _spread(series: Series | None) -> str:
    return series.spread() if series and series.seconds else "-"


def _floors(report: Report) -> Iterator[list[str]]:
    for router, floor in report.floors.items():
        ours = [one for one in report.cases if (one.setting, one.name) == (router, "killed")]
        if ours and floor.seconds:
            ratio = ours[0].withdrawn.median / floor.median
            yield [router, floor.spread(), ours[0].withdrawn.spread(), f"{ratio:.1f}"]


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
    add("--client-runs", type=int, default=10, help="kills that the client lives through (10)")
    add("--starts", type=int, default=5, help="starts of the daemon on each router (5)")
    add("--idle", type=float, default=60, help="seconds to watch the idle daemon (60)")
    add("--saturated", type=float, default=60, help="seconds of load without a fault (60)")
    add("--seed", type=int, default=1, help="of the random phases (1)")
    add("--only", default="", help='a regular expression for cases: "BIRD: (killed|hung)$"')
    add("--router", choices=["bird", "frr"], nargs="+", default=["bird", "frr"], help="which")
    add("--json", type=Path, help="write all figures to this file")
    add("--svg", type=Path, help="draw the main cases to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
