"""Who holds the server's sockets, and what /proc(5) says of them.

A big process is dead long before its sockets close: the kernel first frees its memory, or writes
its core. /proc tells within a millisecond, and to anyone.
"""

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

_EXITING: Final = 0x4  # PF_EXITING, linux/sched.h
_STATES: Final = {"T": "stopped", "Z": "a zombie", "X": "dead"}
_TRACED: Final = "t"
_SLICE: Final = 128
"""Descriptors looked at from one rest to the next."""
_PROCESS: Final = 8
"""What a process costs beside its descriptors, in descriptors; also one we may not look at."""
_LONGEST: Final = 64
"""Bytes that are read of a PID file."""
_FAMILY: Final = 256
"""Processes that one server has, at most."""

Owners = Mapping[int, Collection[int]]
"""The PIDs that hold a socket, by its inode."""


class Holders:
    """The processes that hold one server's sockets: their PIDs, each with its start time."""

    def __init__(self, pids: Collection[int] = ()) -> None:
        known = {pid: _start(pid) for pid in pids}
        self.started = {pid: start for pid, start in known.items() if start is not None}
        self._traced: dict[int, str] = {}

    def __bool__(self) -> bool:
        return bool(self.started)

    def gone(self) -> bool:
        """Return whether one of them is no more, so that they are to be found anew.

        A PID with another start time is another process.
        """
        return any(_start(pid) != start for pid, start in self.started.items())

    def evidence(self) -> str:
        """Say why none of them can serve; empty when one of them can, or has gone or is unknown."""
        said = []
        for pid, start in self.started.items():
            fault = self._fault(pid, start)
            if not fault:
                return ""
            said.append(f"process {pid} is {fault}")
        return ", ".join(said)

    def _fault(self, pid: int, start: int) -> str:
        try:
            found = fields(f"/proc/{pid}/stat")
            if int(found[19]) != start:
                return ""
            if found[0] == _TRACED:
                return self._traced_still(pid)
            if fault := _said(found):
                # The first thread may have ended without the others, which serve on.
                with os.scandir(f"/proc/{pid}/task") as tasks:
                    return fault if all(_said(fields(f"{one.path}/stat")) for one in tasks) else ""
            with Path(f"/proc/{pid}/status").open(encoding="utf-8", errors="replace") as status:
                dumps = any(line.startswith("CoreDumping:\t1") for line in status)
        except (OSError, ValueError, IndexError):
            return ""
        return "dumping core" if dumps else ""

    def _traced_still(self, pid: int) -> str:
        """Tell one that a debugger holds from one that strace stops for a moment at each call."""
        with Path(f"/proc/{pid}/status").open(encoding="utf-8", errors="replace") as status:
            switches = "".join(line for line in status if "ctxt_switches" in line)
        before, self._traced[pid] = self._traced.get(pid), switches
        return "held by a debugger" if before == switches else ""


def fields(path: str) -> list[str]:
    """Give the fields of a stat file from the third, the state, on. Raises OSError."""
    with Path(path).open("rb") as file:
        # The second field is the program's name in parentheses, with anything in it.
        return file.read().rpartition(b")")[2].decode("ascii").split()


def _said(found: list[str]) -> str:
    if found[0] in _STATES:
        return _STATES[found[0]]
    return "exiting" if int(found[6]) & _EXITING else ""


def _start(pid: int) -> int | None:
    try:
        return int(fields(f"/proc/{pid}/stat")[19])
    except (OSError, ValueError, IndexError):
        return None


def pids() -> Iterator[int]:
    """Give all processes that we see, one after the other: there may be tens of thousands.

    Where no descriptor is left there is none.
    """
    with contextlib.suppress(OSError), os.scandir("/proc") as entries:
        yield from (int(entry.name) for entry in entries if entry.name.isdecimal())


def search(inodes: Collection[int], among: Iterable[int]) -> Iterator[Owners | None]:
    """Look for the processes that hold these sockets, among those given that we may look at.

    It yields None now and then, so that the caller can do something else, and the result at last.
    We may look at the processes of our own user only, unless we are root.
    """
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, set[int]] = {inode: set() for inode in inodes}
    seen = 0
    for pid in among if wanted else ():
        seen += _PROCESS
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    inode = wanted.get(os.readlink(descriptor.path))  # noqa: PTH115 - thousands of them
                    if inode is not None:
                        owners[inode].add(pid)
                seen += 1
                if seen >= _SLICE:
                    seen = 0
                    yield None
        if seen >= _SLICE:
            seen = 0
            yield None
    yield owners


def with_children(pid_file: Path) -> list[int]:
    """Give the process that a PID file names, and all its descendants: those may be the workers."""
    try:
        found = [int(_beginning(pid_file))]
    except (OSError, ValueError):
        return []
    for pid in found:  # it grows meanwhile
        with contextlib.suppress(OSError, ValueError):
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
            found += [int(word) for word in text.split() if int(word) not in found]
        if len(found) > _FAMILY:
            return []  # it names init, or another one that everything comes from
    return found


def _beginning(file: Path) -> bytes:
    """Read the beginning of a regular file. A FIFO, which would hold us up for ever, has none."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, _LONGEST) if regular else b""
    finally:
        os.close(descriptor)
