"""One instance at a time on one folder: flock(2), so a dead holder never blocks anyone.

What is locked is the file `lock` in it, which nobody may open who may not write into the folder:
whoever can open a file, be it for reading only, can lock it for ever. Who holds it stands beside
it in `holder`, for everybody to read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, LockedError
from anycast_routed.system import files
from anycast_routed.system.directories import UntrustedError, give, opened
from anycast_routed.system.files import cannot_write

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN = "where the folder has changed hands under a daemon: systemctl restart anycast-routed"
"""The hint where it is held and nobody is known to hold it."""
_EVERY = 0.02  # seconds between two tries; flock(2) has no waiting with a deadline
_OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MODE = 0o600  # who is to keep others out must be able to write into the folder
_UIDS = re.compile(rb"^Uid:\t\d+\t(\d+)", re.MULTILINE)
_VERB = re.compile(r"[a-z]{1,20}")
_LONGEST_NAME = 4096  # octets of `holder`
_NO_ROOM = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT})
_TRIES = 3  # times that the file may be replaced just as we have locked it


@dataclass(frozen=True, slots=True)
class Held:
    """The lock, while it is held."""

    path: Path
    """What is locked: the file, or the folder where there can be no file."""
    descriptor: int

    def lost(self) -> bool:
        """Tell whether it keeps nobody out any more: something else stands in its place."""
        try:
            return not os.path.samestat(self.path.lstat(), os.fstat(self.descriptor))
        except OSError as error:
            return error.errno in {errno.ENOENT, errno.ENOTDIR}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds it."""

    pid: int
    verb: str


@contextlib.contextmanager
def hold(folder: Path, verb: str, *, within: float = 0.0) -> Iterator[Held]:
    """Hold the lock while the context lasts; `verb` names us to those who find it taken.

    Raises:
        LockedError: another instance still holds it after `within` seconds.
        CannotWriteError, AccessDeniedError: the folder cannot be used.
        UntrustedError: others than us may write into it.
    """
    held = _acquire(folder, time.monotonic() + within)
    try:
        with contextlib.suppress(AnycastRoutedError):
            name = f"{os.getpid()} {_started(os.getpid())} {verb}\n"
            # Its owner signs it, so it is not given to the folder's.
            us = (os.geteuid(), os.getegid())
            files.write(folder / "holder", name, owner=us, durable=False)
        yield held
    finally:
        os.close(held.descriptor)


def holder(folder: Path) -> Holder | None:
    """Return who holds the lock; None where nobody does, or where that is not known.

    A name counts only while the process that has left it lives: a PID alone may be a stranger's.
    And nobody can name another user's process, which we might send a signal to then. So a daemon
    is not known any more once its folder was given to another user. (/proc/locks would not prove
    it either: what it names is who took the lock, who may be dead and its PID a stranger's.)

    Raises:
        AccessDeniedError: we may not read the name.
    """
    # Who may not try believes the name.
    return None if is_held(folder) is False else _named(folder)


def is_held(folder: Path) -> bool | None:
    """Tell whether somebody holds the lock; None where we may not try.

    It is tried shared, so that two who look do not meet.
    """
    try:
        with opened(folder) as handle:
            try:
                descriptor = os.open("lock", os.O_RDONLY | _OPEN, dir_fd=handle)
            except FileNotFoundError:
                descriptor = os.open(".", _FOLDER, dir_fd=handle)
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


def _acquire(folder: Path, deadline: float) -> Held:
    for _ in range(_TRIES):
        held = _open(folder)
        try:
            _lock(held, folder, deadline)
            # One that was replaced while we waited for it keeps nobody out.
            if not held.lost():
                return held
        except BaseException:
            os.close(held.descriptor)
            raise
        os.close(held.descriptor)
    message = f"another instance is at work: {folder / 'lock'} is replaced again and again"
    raise LockedError(message, hint="look who deletes it")


def _lock(held: Held, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(held.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                known = _named(folder)
                who = f"{known.verb}, PID {known.pid}" if known else "unknown, PID ?"
                message = f"another instance is at work: {who}"
                hint = f"it holds {folder}; try again later" if known else UNKNOWN
                raise LockedError(message, hint=hint) from None
            time.sleep(_EVERY)
        else:
            return


def _open(folder: Path) -> Held:
    path = folder / "lock"
    try:
        with opened(folder, make=True, unshared=True) as handle:
            if (descriptor := _existing(handle)) is None:
                descriptor = _made(handle)
            if descriptor is None:
                # The folder itself can be locked on a full and on a read-only file system too.
                return Held(folder, os.open(".", _FOLDER, dir_fd=handle))
    except OSError as error:
        if isinstance(error, PermissionError) and os.path.lexists(path):
            message = f"cannot open {path}, which is another user's"
            hint = "if nothing of ours runs, delete it: it is made anew"
            raise AccessDeniedError(message, hint=hint) from error
        raise cannot_write(path, error) from error
    return Held(path, descriptor)


def _existing(handle: int) -> int | None:
    try:
        descriptor = os.open("lock", os.O_RDONLY | _OPEN, dir_fd=handle)
    except FileNotFoundError:
        return None
    # Somebody's umask, or an older version of ours, may have left it open to all. A file with a
    # second name may be any file of the machine, which is left alone.
    was = os.fstat(descriptor)
    mode = stat.S_IMODE(was.st_mode)
    if stat.S_ISREG(was.st_mode) and was.st_nlink == 1 and mode & ~_MODE:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode & _MODE)
    return descriptor


def _made(handle: int) -> int | None:
    """Make the file for those who may write into the folder; None where there is no room."""
    try:
        _make(handle)
    except OSError as error:
        if error.errno in _NO_ROOM:
            return None
        raise
    # For reading only, so that its file system can still be made read-only.
    return os.open("lock", os.O_RDONLY | _OPEN, dir_fd=handle)


def _make(handle: int) -> None:
    """Give it its name when it is theirs: root may be killed before, and must shut nobody out."""
    unnamed = f".lock.{secrets.token_hex(4)}"
    made = os.open(unnamed, os.O_RDONLY | os.O_CREAT | os.O_EXCL | _OPEN, _MODE, dir_fd=handle)
    try:
        give(made, handle)
        # Unlike a rename it takes no other one's place, who may have made it in this moment.
        with contextlib.suppress(FileExistsError):
            os.link(unnamed, "lock", src_dir_fd=handle, dst_dir_fd=handle, follow_symlinks=False)
    finally:
        os.close(made)
        with contextlib.suppress(OSError):
            os.unlink(unnamed, dir_fd=handle)


def _named(folder: Path) -> Holder | None:
    text, signed = files.read_signed(folder / "holder", most=_LONGEST_NAME) or ("", 0)
    words = text.split()
    try:
        pid, started, verb = int(words[0]), int(words[1]), words[2]
    except (ValueError, IndexError):
        return None
    is_verb = _VERB.fullmatch(verb) is not None
    is_known = is_verb and pid > 0 and _started(pid) == started and _user(pid) == signed
    return Holder(pid, verb) if is_known else None


def _user(pid: int) -> int | None:
    """Return as whom a process acts (proc_pid_status(5))."""
    try:
        found = _UIDS.search(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        return None
    return int(found[1]) if found else None


def _started(pid: int) -> int | None:
    """Return when a process began, in the kernel's ticks since the boot (proc_pid_stat(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
        # The second field is the program's name in parentheses, with anything in it.
        return int(text.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
