"""Read what the kernel says of a process or thread: proc_pid_stat(5), proc_pid_status(5)."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

_START_TIME = 19  # of the fields from the third on
_IDS = re.compile(rb"^(Uid|Gid|Groups):[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The effective user of a process, and its groups."""

    user: int
    groups: frozenset[int]


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


def credentials(pid: int) -> Credentials | None:
    """Return the effective user and all groups of a process; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_bytes()
        found = {name: [*map(int, ids.split())] for name, ids in _IDS.findall(text)}
        return Credentials(found[b"Uid"][1], frozenset((found[b"Gid"][1], *found[b"Groups"])))
    except (OSError, ValueError, IndexError, KeyError):
        return None


def seconds_since_start() -> float:
    """Return the age of this process in seconds, Python's start included."""
    started = int(stat_fields("/proc/self/stat")[_START_TIME]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
