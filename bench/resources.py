"""Resources of a process: CPU time with its children, memory, file descriptors."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from anycast_routed.lab import Host
    from bench.daemon_site import DaemonSite

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024.0  # KiB
_TIMES = slice(11, 15)  # utime, stime, cutime, cstime after the name: proc(5)

_IMPORT_ALL = """
import importlib, pkgutil
import anycast_routed
for one in pkgutil.walk_packages(anycast_routed.__path__, "anycast_routed."):
    if ".lab" not in one.name and "__main__" not in one.name:
        importlib.import_module(one.name)
"""
_PRINT_SIZE = """
import json, sys
line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
names = [name for name in sys.modules if not name.startswith(("anycast_routed", "__main__"))]
print(json.dumps([int(line.split()[1]), names]))
"""
_IMPORT_NAMED = """
import contextlib, importlib, sys
for name in sys.argv[1].split(","):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[_TIMES])) / _TICKS


def rss(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / _MIB


def descriptors(pid: int) -> int:
    """Return the number of open file descriptors of a process."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Idle(NamedTuple):
    """Resources of the idle daemon."""

    cpu: float
    """CPU seconds in a minute, children included."""
    rss: float
    """MiB."""


def idle(site: DaemonSite, seconds: float) -> Idle:
    """Measure the daemon for `seconds` without a fault."""
    pid = site.daemon.pid
    used, begun = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return Idle((cpu(pid) - used) * 60 / (time.monotonic() - begun), rss(pid))


def import_memory(host: Host) -> tuple[float, float]:
    """Return the MiB of two Python processes that only import modules.

    The first one imports the outside modules of anycast_routed, the second one these and all
    modules of anycast_routed.
    """
    with_product, names = json.loads(host.run(sys.executable, "-c", _IMPORT_ALL + _PRINT_SIZE).out)
    script = _IMPORT_NAMED + _PRINT_SIZE
    outside, _ = json.loads(host.run(sys.executable, "-c", script, ",".join(names)).out)
    return outside / _MIB, with_product / _MIB
