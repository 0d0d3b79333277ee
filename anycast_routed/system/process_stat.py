"""Read what the kernel says of a process or thread: proc_pid_stat(5)."""

from __future__ import annotations

import os
import time
from pathlib import Path

_START_TIME = 19  # of the fields from the third on


def stat_fields(path: str) -> list[str]:
    """Return the fields of a stat file from the third, the state, on. Raises OSError."""
    with Path(path).open("rb") as file:
        # The second field is the program's name in parentheses; it may contain any characters.
        return file.read().rpartition(b")")[2].decode("ascii").split()


def start_time(pid: int) -> int | None:
    """Return the start time of a process, in ticks since the boot; None if it has ended."""
    try:
        return int(stat_fields(f"/proc/{pid}/stat")[_START_TIME])
    except (OSError, ValueError, IndexError):
        return None


def seconds_since_start() -> float:
    """Return the age of this process in seconds, Python's start included."""
    started = int(stat_fields("/proc/self/stat")[_START_TIME]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
