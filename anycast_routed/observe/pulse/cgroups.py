"""Find the processes of a cgroup (cgroups(7), version 2) by the cgroup ID of a socket.

An ordinary user cannot see which files the processes of another user have open. But systemd gives
each service a cgroup of its own, and the kernel reports the cgroup of a socket.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

_SLICE: Final = 16
"""Cgroups to visit between two yields."""

Members = Mapping[int, Collection[int]]
"""PIDs by cgroup ID."""


def members(cgroups: Collection[int]) -> Iterator[Members | None]:
    """Yield the PIDs in these cgroups, as far as a cgroup belongs to one service.

    Yield None now and then, so that the caller can do something else, and the result last. Left
    out are: all cgroups if version 2 is not mounted, the root cgroup and the cgroup of this
    process, because both hold unrelated processes, and a cgroup with a process outside of this PID
    namespace.
    """
    found: dict[int, list[int]] = {}
    root = _root()
    wanted = set(cgroups) - {0}
    if wanted and root is not None:
        wanted -= {_inode(root), _own(root)}
        for seen, (directory, _, _) in enumerate(os.walk(root), 1):
            if (cgroup := _inode(Path(directory))) in wanted:
                wanted.remove(cgroup)
                found[cgroup] = _pids(Path(directory))
            if not wanted:
                break
            if seen % _SLICE == 0:
                yield None
    yield found


def _pids(directory: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        text = Path(directory, "cgroup.procs").read_text("utf-8")
        pids = [int(word) for word in text.split()]
        # 0 stands for a process outside of this PID namespace. 1 is systemd, which holds the
        # sockets of services that it starts on demand.
        return [] if {0, 1} & set(pids) else pids
    return []


def _own(root: Path) -> int:
    """Return the ID of the cgroup of this process; 0 if it is unknown."""
    with contextlib.suppress(OSError):
        own = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape")
        for line in own.splitlines():
            if line.startswith("0::/"):
                return _inode(root / line[4:])
    return 0


def _root() -> Path | None:
    """Return where the cgroup version 2 hierarchy is mounted (proc_pid_mountinfo(5))."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        for line in text.splitlines():
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                return Path(before.split()[4])
    return None


def _inode(directory: Path) -> int:
    with contextlib.suppress(OSError):
        return directory.stat().st_ino
    return 0
