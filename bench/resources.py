"""What a process takes: processor time with its children's, and memory beside the floor's."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from anycast_routed.lab import Host
    from bench.daemon_site import Stand

_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024.0  # KiB
_TIMES = slice(11, 15)  # utime, stime, cutime, cstime behind the name: proc(5)

_OURS = """
import importlib, pkgutil
import anycast_routed
for one in pkgutil.walk_packages(anycast_routed.__path__, "anycast_routed."):
    if ".lab" not in one.name and "__main__" not in one.name:
        importlib.import_module(one.name)
"""
_SIZE = """
import json, sys
line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
names = [name for name in sys.modules if not name.startswith(("anycast_routed", "__main__"))]
print(json.dumps([int(line.split()[1]), names]))
"""
_OTHERS = """
import contextlib, importlib, sys
for name in sys.argv[1].split(","):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""


def cpu(pid: int) -> float:
    """Return the seconds of processor time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[_TIMES])) / _TICKS


def rss(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / _MIB


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Idle(NamedTuple):
    """What the daemon takes while nothing happens."""

    cpu: float
    """Seconds in a minute, its children included."""
    rss: float
    """MiB."""


def idle(stand: Stand, seconds: float) -> Idle:
    """Watch the daemon for so long."""
    pid = stand.ours.pid
    used, begun = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return Idle((cpu(pid) - used) * 60 / (time.monotonic() - begun), rss(pid))


def floors(host: Host) -> tuple[float, float]:
    """Return the MiB of a Python that imports only others' modules, and of one with ours too."""
    with_ours, names = json.loads(host.run(sys.executable, "-c", _OURS + _SIZE).out)
    others = _OTHERS + _SIZE
    bare, _ = json.loads(host.run(sys.executable, "-c", others, ",".join(names)).out)
    return bare / _MIB, with_ours / _MIB
