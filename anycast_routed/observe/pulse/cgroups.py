"""The processes of a cgroup (cgroups(7), version 2), by the ID that the kernel gives a socket.

For an ordinary user, who can't see what files another user's processes have open: under systemd
each service has a cgroup of its own.
"""

import contextlib
import os
from pathlib import Path


def members(cgroup: int) -> list[int]:
    """Give the PIDs in a cgroup, as far as that tells who serves.

    Empty where there is no version 2, in the root's cgroup and our own, which hold much else, and
    where one of the processes is outside of our PID namespace.
    """
    root = _root()
    if root is None or not cgroup or cgroup == _inode(root):
        return []
    with contextlib.suppress(OSError, ValueError):
        own = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape")
        path = next(line[4:-1] for line in own.splitlines(keepends=True) if line.startswith("0::/"))
        if cgroup == _inode(root / path):
            return []
    for folder, _, _ in os.walk(root):
        if _inode(Path(folder)) == cgroup:
            with contextlib.suppress(OSError, ValueError):
                text = Path(folder, "cgroup.procs").read_text("utf-8")
                pids = [int(word) for word in text.split()]
                # 0 stands for a process that we have no number for; 1 is systemd, which holds the
                # sockets of those it starts on demand.
                return [] if {0, 1} & set(pids) else pids
    return []


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
