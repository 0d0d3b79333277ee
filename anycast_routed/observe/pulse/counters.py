"""Read what the kernel says of the threads of a process: how long they have run, and their states.

Any user can read both. A process that no longer exists or may not be read is left out. Without a
free descriptor nothing can be read, and that raises OSError, so that the lack of descriptors in
this process is not taken for a fault of the server.
"""

import contextlib
import os
import time
from typing import Final

from anycast_routed.system.process_stat import stat_fields

_GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)
_UNKNOWN: Final = (*_GONE, ValueError, IndexError)
_SCHEDULER: Final = 2  # CPUCLOCK_SCHED, linux/posix-timers.h: by the scheduler, in nanoseconds


def time_run(pid: int) -> int | None:
    """Return for how many nanoseconds all threads of a process have run; None if it has ended.

    Source: clock_getcpuclockid(3). It costs one system call, however many threads there are.
    """
    with contextlib.suppress(OSError):
        return time.clock_gettime_ns(~pid << 3 | _SCHEDULER)
    return None


def thread_states(pid: int) -> frozenset[str]:
    """Return the states of a process's threads. Raises OSError if no descriptor is free."""
    states = set()
    with contextlib.suppress(*_UNKNOWN), os.scandir(f"/proc/{pid}/task") as tasks:
        for task in tasks:
            with contextlib.suppress(*_UNKNOWN):
                states.add(stat_fields(f"{task.path}/stat")[0])
    return frozenset(states)
