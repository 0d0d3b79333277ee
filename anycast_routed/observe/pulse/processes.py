"""Find the processes that hold a server's sockets, and read their state from /proc(5).

A big process is dead long before its sockets close: the kernel first frees its memory or writes its
core dump. /proc shows that within a millisecond, and to any user.
"""

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from anycast_routed.system.process_stat import start_time, stat_fields

_EXITING: Final = 0x4  # PF_EXITING, linux/sched.h
_STATES: Final = {"T": "stopped", "Z": "a zombie", "X": "dead"}
_TRACED: Final = "t"
_SLICE: Final = 128
"""Descriptors to look at between two yields of a search."""
_PROCESS_COST: Final = 8
"""The cost of a process besides its descriptors, in descriptors; also if access is denied."""
_LONGEST: Final = 64
"""Bytes to read of a PID file."""
_MOST_CHILDREN: Final = 256
"""The most processes of one server."""

Owners = Mapping[int, Collection[int]]
"""The PIDs that hold a socket, by the inode of the socket."""


class ServerProcesses:
    """The processes that hold the sockets of one server: their PIDs with their start times."""

    def __init__(self, pids: Collection[int] = ()) -> None:
        known = {pid: start_time(pid) for pid in pids}
        self.started = {pid: start for pid, start in known.items() if start is not None}
        self._switches: dict[int, str] = {}
        """Context switches of a traced process at the last look."""

    def __bool__(self) -> bool:
        return bool(self.started)

    def gone(self) -> bool:
        """Return whether a process has ended, so that a new search is needed.

        The same PID with another start time is another process.
        """
        return any(start_time(pid) != start for pid, start in self.started.items())

    def fault(self) -> str:
        """Return why none of the processes can serve; empty if one can, has ended or is unknown."""
        faults = []
        for pid, start in self.started.items():
            fault = self._fault(pid, start)
            if not fault:
                return ""
            faults.append(f"process {pid} is {fault}")
        return ", ".join(faults)

    def _fault(self, pid: int, start: int) -> str:
        try:
            found = stat_fields(f"/proc/{pid}/stat")
            if int(found[19]) != start:
                return ""
            if found[0] == _TRACED:
                return self._traced_fault(pid)
            if fault := _thread_fault(found):
                # The first thread may have ended while the others still serve.
                with os.scandir(f"/proc/{pid}/task") as tasks:
                    others = [_thread_fault(stat_fields(f"{task.path}/stat")) for task in tasks]
                return fault if all(others) else ""
            with Path(f"/proc/{pid}/status").open(encoding="utf-8", errors="replace") as status:
                dumps = any(line.startswith("CoreDumping:\t1") for line in status)
        except (OSError, ValueError, IndexError):
            return ""
        return "dumping core" if dumps else ""

    def _traced_fault(self, pid: int) -> str:
        """Distinguish a process held by a debugger from one that strace stops at each call."""
        with Path(f"/proc/{pid}/status").open(encoding="utf-8", errors="replace") as status:
            switches = "".join(line for line in status if "ctxt_switches" in line)
        before, self._switches[pid] = self._switches.get(pid), switches
        return "held by a debugger" if before == switches else ""


def _thread_fault(found: list[str]) -> str:
    if found[0] in _STATES:
        return _STATES[found[0]]
    return "exiting" if int(found[6]) & _EXITING else ""


def all_pids() -> Iterator[int]:
    """Yield the PID of each visible process, one at a time: there may be tens of thousands.

    Yield none if no descriptor is free.
    """
    with contextlib.suppress(OSError), os.scandir("/proc") as entries:
        yield from (int(entry.name) for entry in entries if entry.name.isdecimal())


def find_owners(inodes: Collection[int], among: Iterable[int]) -> Iterator[Owners | None]:
    """Search the processes `among` for those that hold sockets with these inodes.

    Yield None now and then, so that the caller can do something else, and the result last. Without
    root only processes of the same user can be searched.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, set[int]] = {inode: set() for inode in inodes}
    cost = 0
    for pid in among if wanted else ():
        cost += _PROCESS_COST
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    inode = wanted.get(os.readlink(descriptor.path))  # noqa: PTH115 - thousands of them
                    if inode is not None:
                        owners[inode].add(pid)
                cost += 1
                if cost >= _SLICE:
                    cost = 0
                    yield None
        if cost >= _SLICE:
            cost = 0
            yield None
    yield owners


def pids_from_file(pid_file: Path) -> list[int]:
    """Return the PID in a PID file and all its descendants, which may be the workers."""
    try:
        found = [int(_beginning(pid_file))]
    except (OSError, ValueError):
        return []
    for pid in found:  # the list grows in the loop
        with contextlib.suppress(OSError, ValueError):
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
            found += [int(word) for word in text.split() if int(word) not in found]
        if len(found) > _MOST_CHILDREN:
            return []  # it names init, or another process that starts many programs
    return found


def _beginning(file: Path) -> bytes:
    """Return the beginning of a regular file; empty for a FIFO, where reading could block."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, _LONGEST) if regular else b""
    finally:
        os.close(descriptor)
