"""Reload servers with large data, which answer nothing meanwhile: nothing may be withdrawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from anycast_routed.lab import large_dns
from bench.daemon_site import DaemonSite, Setting, site_config
from bench.progress import say

if TYPE_CHECKING:
    from bench.cases import CaseRunner

_SILENT: Final = ("unbound", "dnsmasq", "bind")
_LAST_CHECK: Final = 2.0
"""Seconds in which a check that began in the last reload has ended."""


def measure(runner: CaseRunner) -> None:
    """Count the withdrawals of each server's reloads, as many as a fault has runs."""
    setting = Setting("bird")
    for name in _SILENT:
        if not runner.selects(setting, f"reloads of {name}"):
            continue
        config = site_config()
        config["dns"]["rrtype"] = "A"  # no hosts file has another record
        with DaemonSite(setting, config) as site:
            server = large_dns.SERVERS[name](site.host)
            runner.start(site)
            site.peer.read()
            begun = time.monotonic()
            for _ in range(runner.options.runs):
                server.reload()
            time.sleep(_LAST_CHECK)
            row = f"{setting.name}: {runner.options.runs} reloads of {name}"
            found = (row, time.monotonic() - begun, site.peer.withdrawals())
            runner.report.without_fault.append(found)
            say(str(found))
