"""Read the kernel's counters: CPU time of threads, and UDP datagrams read.

Any user can read them. A counter that no longer exists or may not be read is left out. Without a
free descriptor nothing can be read, and that raises OSError, so that the lack of descriptors in
this process is not taken for a fault of the server.
"""

import contextlib
from pathlib import Path
from typing import Final

from anycast_routed.system.process_stat import stat_fields

_RUNNABLE: Final = "R"
_GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)
_UNKNOWN: Final = (*_GONE, ValueError, IndexError)

ThreadTimes = tuple[dict[int, tuple[float, float]], bool]
"""By thread: the seconds it has run and waited to run; and whether one of them is runnable now."""


def thread_times(pid: int, most: int) -> ThreadTimes:
    """Return the times of at most `most` threads of a process.

    Source: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat. A kernel without these
    statistics reports zero, which no thread that has ever run has. Raises OSError if no descriptor
    is free.
    """
    found: dict[int, tuple[float, float]] = {}
    runnable = False
    for thread in _threads(pid)[:most]:
        with contextlib.suppress(*_UNKNOWN):
            task = f"/proc/{pid}/task/{thread}"
            ran, waited, *_ = Path(task, "schedstat").read_bytes().split()
            if int(ran):
                found[thread] = int(ran) / 1e9, int(waited) / 1e9
                runnable = runnable or stat_fields(f"{task}/stat")[0] == _RUNNABLE
    return found, runnable


def datagrams_read() -> int | None:
    """Return how many UDP datagrams all programs of this network namespace have read.

    Source: RFC 4113, udpInDatagrams; the kernel counts a datagram when a program takes it from the
    queue. None if the kernel does not report it. Raises OSError if no descriptor is free.
    """
    with contextlib.suppress(*_UNKNOWN):
        names, counts = (
            line.split()
            for line in Path("/proc/thread-self/net/snmp").read_bytes().splitlines()
            if line.startswith(b"Udp:")
        )
        total = int(counts[names.index(b"InDatagrams")])
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in Path("/proc/thread-self/net/snmp6").read_bytes().splitlines():
                name, _, count = line.partition(b" ")
                if name == b"Udp6InDatagrams":
                    total += int(count)
        return total
    return None


def _threads(pid: int) -> list[int]:
    with contextlib.suppress(*_UNKNOWN):
        return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    return []
