"""The baseline: `bench.baseline_script` instead of the daemon, with texts that the daemon made."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from anycast_routed.announce.bird.protocols import states
from anycast_routed.announce.frr.changes import changes
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.announce.frr.sender import script
from anycast_routed.lab import eventually
from bench.daemon_site import RUN_DIR

if TYPE_CHECKING:
    from bench.daemon_site import DaemonSite
    from bench.faults import Fault

_PREPARED = f"{RUN_DIR}/prepared"
_CYCLE = 1.0  # seconds in which a cycle of the daemon ends
_WITHIN = 20.0


class Baseline:
    """The router changed by a minimal script.

    Make it while the daemon runs; measure after the daemon has stopped.
    """

    def __init__(self, site: DaemonSite, fault: Fault) -> None:
        self._site = site
        self._file = f"{RUN_DIR}/{site.setting.router}.conf"
        self._announced = site.host.read(self._file)
        fault.cause()
        site.peer.wait(0, _WITHIN)
        # Until its cycle ends, the daemon may still replace the file of the quick withdrawal.
        time.sleep(_CYCLE)
        self._withdrawn = site.host.read(self._file)
        fault.clear()
        site.peer.wait(site.prefixes, _WITHIN)

    def measure(self, fault: Fault) -> float:
        """Announce all, cause the fault, and return the seconds until the last WITHDRAW."""
        site = self._site
        self._announce()
        site.peer.wait(site.prefixes, _WITHIN)
        argv = [sys.executable, "-m", "bench.baseline_script", site.setting.router, _PREPARED]
        if site.setting.router == "bird":
            lines = "".join(f"disable {name}\n" for name in states(self._announced))
        else:
            lines = self._vtysh_lines(self._withdrawn, self._announced, "withdrawals")
        site.host.write(_PREPARED, lines)
        process = site.host.start(*argv, name="baseline")
        eventually(lambda: process.check() and "ready" in process.log(), within=10)
        at = fault.cause()
        taken = site.peer.wait_for_last("withdraw", 0) - at
        process.wait(within=10)
        fault.clear()
        return taken

    def _announce(self) -> None:
        host = self._site.host
        if self._site.setting.router == "bird":
            host.write(self._file, self._announced)
            host.run("birdc", "configure")
            return
        holder = "mgmtd" if host.path("/run/frr/mgmtd.vty").exists() else "staticd"
        for daemon, kind in ((holder, "statics"), ("bgpd", "additions")):
            if lines := self._vtysh_lines(self._announced, self._withdrawn, kind):
                host.run("vtysh", "-d", daemon, "-c", lines)

    @staticmethod
    def _vtysh_lines(after: str, before: str, kind: str) -> str:
        lines = script(getattr(changes(Running(after), Running(before)), kind))
        return "\n".join(("configure terminal", *lines)) if lines else ""
