"""Lock a directory for one process at a time, with flock(2): a dead process blocks no other one.

The locked file is `lock` in the directory. Only users that can write to the directory can open it:
a user that can open a file, even for reading only, can lock it forever. The file `holder` beside
it names the process that holds the lock, and every user can read it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, LockedError
from anycast_routed.system import lock_holder
from anycast_routed.system.directories import UntrustedError, give_to_owner, opened
from anycast_routed.system.files import cannot_write
from anycast_routed.system.lock_holder import HOLDER, Holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "HOLDER",
    "LOCK",
    "UNKNOWN",
    "Held",
    "Holder",
    "hold",
    "holder",
    "is_held",
    "last_holder",
]

LOCK = "lock"
"""The name of the locked file in the directory."""
UNKNOWN = "if the directory's owner changed while a daemon ran: systemctl restart anycast-routed"
"""The hint where the lock is held and its holder is not known."""
_POLL = 0.02  # seconds between two attempts; flock(2) cannot wait with a deadline
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MODE = 0o600  # only users that can write to the directory may lock other processes out
_NO_ROOM = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT})
_ATTEMPTS = 3  # how often the file may be replaced in the moment that it is locked


@dataclass(frozen=True, slots=True)
class Held:
    """A lock while it is held."""

    path: Path
    """What is locked: the file, or the directory if no file can be made in it."""
    descriptor: int

    def lost(self) -> bool:
        """Return whether the lock excludes no process any more: its path leads elsewhere now."""
        try:
            return not os.path.samestat(self.path.lstat(), os.fstat(self.descriptor))
        except OSError as error:
            return error.errno in {errno.ENOENT, errno.ENOTDIR}


@contextlib.contextmanager
def hold(directory: Path, verb: str, *, within: float = 0.0) -> Iterator[Held]:
    """Hold the lock of the directory while the context lasts.

    `verb` names this process to those that find the lock taken. `within` is how long to wait for
    another process, in seconds.

    Raises:
        LockedError: another process still holds the lock after that time.
        CannotWriteError, AccessDeniedError: the directory cannot be used.
        UntrustedError: other users can write to the directory.
    """
    held = _acquire(directory, time.monotonic() + within)
    try:
        with contextlib.suppress(AnycastRoutedError):
            lock_holder.write(directory, verb)
        yield held
    finally:
        os.close(held.descriptor)


def holder(directory: Path) -> Holder | None:
    """Return the process that holds the lock; None if the lock is free or its holder not known.

    A user that may not try the lock gets the name in `holder`, if that process runs.

    Raises:
        AccessDeniedError, HostError: the file `holder` cannot be read.
    """
    return None if is_held(directory) is False else lock_holder.running(directory)


def last_holder(directory: Path) -> Holder | None:
    """Return the process that last took the lock, which may have ended; None if it is not known.

    Raises:
        AccessDeniedError, HostError: the file `holder` cannot be read.
    """
    return lock_holder.last(directory)


def is_held(directory: Path) -> bool | None:
    """Return whether a process holds the lock; None if this user may not try.

    The attempt is a shared lock, so that two processes that look do not exclude each other.
    """
    try:
        with opened(directory) as handle:
            try:
                descriptor = os.open(LOCK, os.O_RDONLY | _OPEN, dir_fd=handle)
            except FileNotFoundError:
                descriptor = os.open(".", _DIRECTORY, dir_fd=handle)
    except PermissionError:
        return None
    except (OSError, UntrustedError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _acquire(directory: Path, deadline: float) -> Held:
    for _ in range(_ATTEMPTS):
        held = _open(directory)
        try:
            _lock(held, directory, deadline)
            # A file that was replaced while this process waited for it excludes no other process.
            if not held.lost():
                return held
        except BaseException:
            os.close(held.descriptor)
            raise
        os.close(held.descriptor)
    message = f"another instance is at work: {directory / LOCK} is replaced again and again"
    raise LockedError(message, hint="find the program that deletes it, and stop that program")


def _lock(held: Held, directory: Path, deadline: float) -> None:
    """Lock the open file before the deadline (monotonic), or raise LockedError."""
    while True:
        try:
            fcntl.flock(held.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                known = lock_holder.running(directory)
                name = f"{known.verb}, PID {known.pid}" if known else "unknown, PID ?"
                message = f"another instance is at work: {name}"
                hint = f"it holds the lock of {directory}; try again later" if known else UNKNOWN
                raise LockedError(message, hint=hint) from None
            time.sleep(_POLL)
        else:
            return


def _open(directory: Path) -> Held:
    """Open the file, or make it; open the directory itself if there is no room for a file."""
    path = directory / LOCK
    try:
        with opened(directory, make=True, unshared=True) as handle:
            if (descriptor := _existing(handle)) is None:
                descriptor = _made(handle)
            if descriptor is None:
                # A directory can be locked on a full and on a read-only file system too.
                return Held(directory, os.open(".", _DIRECTORY, dir_fd=handle))
    except OSError as error:
        if isinstance(error, PermissionError) and os.path.lexists(path):
            message = f"cannot open {path}: it belongs to another user"
            hint = "if no anycast-routed process runs, delete it: the next run makes a new one"
            raise AccessDeniedError(message, hint=hint) from error
        raise cannot_write(path, error) from error
    return Held(path, descriptor)


def _existing(handle: int) -> int | None:
    """Open the file and close it to other users; None if there is none."""
    try:
        descriptor = os.open(LOCK, os.O_RDONLY | _OPEN, dir_fd=handle)
    except FileNotFoundError:
        return None
    # A umask, or an older version, may have left it readable by all users. A file with a second
    # name may be any file of this host, so its mode stays as it is.
    found = os.fstat(descriptor)
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and mode & ~_MODE:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode & _MODE)
    return descriptor


def _made(handle: int) -> int | None:
    """Make the file and open it; None if the file system has no room or is read-only."""
    try:
        _make(handle)
    except OSError as error:
        if error.errno in _NO_ROOM:
            return None
        raise
    # For reading only, so that its file system can still be remounted read-only.
    return os.open(LOCK, os.O_RDONLY | _OPEN, dir_fd=handle)


def _make(handle: int) -> None:
    """Make the file under a temporary name, give it to the directory's owner, then name it.

    If root is killed half-way, no file of root's keeps the daemon's user from the lock.
    """
    unnamed = f".{LOCK}.{secrets.token_hex(4)}"
    made = os.open(unnamed, os.O_RDONLY | os.O_CREAT | os.O_EXCL | _OPEN, _MODE, dir_fd=handle)
    try:
        give_to_owner(made, handle)
        # Unlike a rename, a link does not replace a file that another process has just made.
        with contextlib.suppress(FileExistsError):
            os.link(unnamed, LOCK, src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
    finally:
        os.close(made)
        with contextlib.suppress(OSError):
            os.unlink(unnamed, dir_fd=handle)
