"""The processes of a cgroup (cgroups(7), version 2), by the ID that the kernel gives a socket.

For an ordinary user, who can't see what files another user's processes have open: under systemd
each service has a cgroup of its own.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

_SLICE: Final = 16
"""Cgroups looked at from one rest to the next."""

Members = Mapping[int, Collection[int]]
"""The PIDs in a cgroup, by its ID."""


def members(cgroups: Collection[int]) -> Iterator[Members | None]:
    """Look for the PIDs in these cgroups, as far as that tells who serves.

    It yields None now and then, so that the caller can do something else, and the result at last.
    None are given where there is no version 2, of the root's cgroup and our own, which hold much
    else, and where one of the processes is outside of our PID namespace.
    """
    found: dict[int, list[int]] = {}
    root = _root()
    wanted = set(cgroups) - {0}
    if wanted and root is not None:
        wanted -= {_inode(root), _own(root)}
        for seen, (folder, _, _) in enumerate(os.walk(root), 1):
            if (cgroup := _inode(Path(folder))) in wanted:
                wanted.remove(cgroup)
                found[cgroup] = _pids(Path(folder))
            if not wanted:
                break
            if seen % _SLICE == 0:
                yield None
    yield found


def _pids(folder: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        text = Path(folder, "cgroup.procs").read_text("utf-8")
        pids = [int(word) for word in text.split()]
        # 0 stands for a process that we have no number for; 1 is systemd, which holds the sockets
        # of those it starts on demand.
        return [] if {0, 1} & set(pids) else pids
    return []


def _own(root: Path) -> int:
    """Give the ID of the cgroup that we are in ourselves; 0 where that is not known."""
    with contextlib.suppress(OSError):
        own = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape")
        for line in own.splitlines():
            if line.startswith("0::/"):
                return _inode(root / line[4:])
    return 0


def _root() -> Path | None:
    """Give where the cgroup version 2 hierarchy is mounted (proc_pid_mountinfo(5))."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        for line in text.splitlines():
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                return Path(before.split()[4])
    return None


def _inode(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return folder.stat().st_ino
    return 0
