"""The baseline: `bench.baseline_script` in the daemon's place, with texts that the daemon made."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from anycast_routed.announce.frr.changes import changes
from anycast_routed.announce.frr.config_lines import script
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.lab import eventually
from bench.daemon_site import RUN_DIR

if TYPE_CHECKING:
    from bench.daemon_site import Stand
    from bench.faults import Fault

_PREPARED = f"{RUN_DIR}/prepared"
_READ_BACK = 1.0  # seconds, after which a pass of the daemon is over


class Bare:
    """The router told by a bare script. Made while the daemon runs; used when it has ended."""

    def __init__(self, stand: Stand, fault: Fault) -> None:
        self._stand = stand
        self._file = f"{RUN_DIR}/{stand.setting.router}.conf"
        self._all = stand.host.read(self._file)
        fault.strike()
        stand.ear.until(0, within=20)
        # Until then the file is as the short way has left it.
        time.sleep(_READ_BACK)
        self._none = stand.host.read(self._file)
        fault.heal()
        stand.ear.until(stand.prefixes, within=20)

    def strike(self, fault: Fault) -> float:
        """Announce all, bring the fault about, and return the seconds until the last WITHDRAW."""
        stand = self._stand
        self._announce()
        stand.ear.until(stand.prefixes, within=20)
        argv = [sys.executable, "-m", "bench.baseline_script", stand.setting.router, _PREPARED]
        if stand.setting.router == "bird":
            stand.host.write(_PREPARED, self._none)
            argv.append(self._file)
        else:
            stand.host.write(_PREPARED, self._block(self._none, self._all, "withdrawals"))
        script = stand.host.start(*argv, name="floor")
        eventually(lambda: script.check() and "ready" in script.log(), within=10)
        at = fault.strike()
        taken = stand.ear.latest("withdraw", 0) - at
        script.wait(within=10)
        fault.heal()
        return taken

    def _announce(self) -> None:
        host = self._stand.host
        if self._stand.setting.router == "bird":
            host.write(self._file, self._all)
            host.run("birdc", "configure")
            return
        for daemon, what in (("staticd", "statics"), ("bgpd", "additions")):
            if block := self._block(self._all, self._none, what):
                host.run("vtysh", "-d", daemon, "-c", block)

    def _block(self, after: str, before: str, what: str) -> str:
        lines = script(getattr(changes(Running(after), Running(before)), what))
        return "\n".join(("configure terminal", *lines)) if lines else ""
