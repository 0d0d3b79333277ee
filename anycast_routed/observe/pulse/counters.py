"""What the kernel has counted: time that threads had or wanted, datagrams that were read.

It tells anyone. What has gone meanwhile, or is not told, is left out; but where we are out of
descriptors nothing is known, and that is an OSError, lest our own want be taken for the server's.
"""

import contextlib
from pathlib import Path
from typing import Final

from anycast_routed.observe.pulse.processes import fields

_RUNNABLE: Final = "R"
_GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)
_UNKNOWN: Final = (*_GONE, ValueError, IndexError)

Threads = tuple[dict[int, tuple[float, float]], bool]
"""How long each thread has run and has waited to run, in seconds; whether one could run now."""


def threads(pid: int, most: int) -> Threads:
    """Look at the threads of a process, at no more than so many.

    Source: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat. A kernel that does not
    count says zero, which no thread that has ever run has. Raises OSError: no descriptor is left.
    """
    found: dict[int, tuple[float, float]] = {}
    runnable = False
    for thread in _tasks(pid)[:most]:
        with contextlib.suppress(*_UNKNOWN):
            task = f"/proc/{pid}/task/{thread}"
            ran, waited, *_ = Path(task, "schedstat").read_bytes().split()
            if int(ran):
                found[thread] = int(ran) / 1e9, int(waited) / 1e9
                runnable = runnable or fields(f"{task}/stat")[0] == _RUNNABLE
    return found, runnable


def reads() -> int | None:
    """Return how many UDP datagrams all programs of this network namespace have read.

    Source: RFC 4113, udpInDatagrams; the kernel counts one when it is taken from its queue. None
    where it isn't told. Raises OSError: no descriptor is left.
    """
    with contextlib.suppress(*_UNKNOWN):
        head, counts = (
            line.split()
            for line in Path("/proc/thread-self/net/snmp").read_bytes().splitlines()
            if line.startswith(b"Udp:")
        )
        total = int(counts[head.index(b"InDatagrams")])
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in Path("/proc/thread-self/net/snmp6").read_bytes().splitlines():
                name, _, count = line.partition(b" ")
                if name == b"Udp6InDatagrams":
                    total += int(count)
        return total
    return None


def _tasks(pid: int) -> list[int]:
    with contextlib.suppress(*_UNKNOWN):
        return [int(one.name) for one in Path(f"/proc/{pid}/task").iterdir()]
    return []
