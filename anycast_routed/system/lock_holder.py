"""The file `holder` beside a lock: which process holds the lock, readable by every user.

Written by the process that holds the lock; read by each verb that finds the lock taken, and by
verbs that send the daemon a signal.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.system import files
from anycast_routed.system.process_stat import credentials, start_time

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = "holder"
"""The name of the file in the locked directory. Its one line: PID, start time, verb."""
_LARGEST = 4096  # octets
_VERB = re.compile(r"[a-z]{1,20}")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock, and the verb that it runs."""

    pid: int
    verb: str


@dataclass(frozen=True, slots=True)
class _Line:
    """The content of the file, and its owner."""

    holder: Holder
    started: int
    """Start time of the process, in the kernel's ticks since the boot."""
    owner: int


def write(directory: Path, verb: str) -> None:
    """Write this process, and the verb that it runs, into the file.

    The file belongs to this process's user, even if root writes it into another user's directory:
    `running` compares the file's owner with the process's user.

    Raises:
        CannotWriteError, AccessDeniedError: as `files.write`.
    """
    line = f"{os.getpid()} {start_time(os.getpid())} {verb}\n"
    files.write(directory / HOLDER, line, owner=(os.geteuid(), os.getegid()), durable=False)


def running(directory: Path) -> Holder | None:
    """Return the process that the file names, or None if that process cannot be trusted to run.

    The file counts only while the process that wrote it lives: a PID alone may belong to another
    process by now. And its owner must be the process's user, so that no user can name another
    user's process, which would then get a signal. For this reason a daemon is no longer known
    after its directory was given to another user. (/proc/locks proves nothing either: it names the
    process that took the lock, which may be dead and its PID another process's.)

    Raises:
        AccessDeniedError, HostError: as `files.read`.
    """
    found = _read(directory)
    if found is None:
        return None
    pid = found.holder.pid
    process = credentials(pid)
    is_user = process is not None and process.user == found.owner
    return found.holder if is_user and start_time(pid) == found.started else None


def last(directory: Path) -> Holder | None:
    """Return the process that the file names, whether or not it still runs. Proves nothing.

    Raises:
        AccessDeniedError, HostError: as `files.read`.
    """
    found = _read(directory)
    return found.holder if found else None


def _read(directory: Path) -> _Line | None:
    text, owner = files.read_signed(directory / HOLDER, most=_LARGEST) or ("", 0)
    words = text.split()
    try:
        pid, started, verb = int(words[0]), int(words[1]), words[2]
    except (ValueError, IndexError):
        return None
    if pid <= 0 or not _VERB.fullmatch(verb):
        return None
    return _Line(Holder(pid, verb), started, owner)
