"""The way to a folder, and whom it belongs to: nobody may lead us, or write, elsewhere.

What is done in a folder goes by a handle on it (openat(2)), so that nothing that is put in its
place meanwhile is ever touched. On the way there a link is followed only where it is root's or
our own, as /var/run is: who may plant a link in his own folder cannot send root through it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_SHARED = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40  # as the kernel has it (path_resolution(7))
_FOR_READERS = 0o755


class UntrustedError(AccessDeniedError):
    """Others than us decide what is in a folder, or which one it is."""


@contextlib.contextmanager
def opened(path: Path, *, make: bool = False, unshared: bool = False) -> Iterator[int]:
    """Give a handle on a folder, for `dir_fd`; with `make` it is made where it is missing.

    An `unshared` one must be ours, with nobody else who may write into it. Its owner may be root,
    us, or anyone where we are root: that is who runs the daemon, and what he leaves there leads
    root nowhere.

    Raises:
        UntrustedError: the way there is over another user's link, or others may write into it.
        OSError: it cannot be reached, made or searched.
    """
    handle = _walk(path, make=make)
    try:
        if unshared:
            _refuse_shared(path, os.fstat(handle))
        yield handle
    finally:
        os.close(handle)


def refuse_shared(path: Path) -> None:
    """Refuse a folder that is not our own, as `opened` has it; one that is missing is fine.

    Raises:
        UntrustedError: as `opened`.
        AccessDeniedError: we cannot look.
    """
    try:
        with contextlib.suppress(FileNotFoundError), opened(path, unshared=True):
            pass
    except OSError as error:
        message = f"cannot look at {path}: {error.strerror}"
        raise AccessDeniedError(message) from error


def writable_by_all(path: Path) -> bool:
    """Tell whether any user of this host may change a file or folder, by its own mode.

    In a sticky folder, as /tmp is, nobody can replace another one's file.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def is_own(file: os.stat_result, handle: int) -> bool:
    """Tell whether a file in the folder of that handle is from one who may write there."""
    return _is_root_or_us(file.st_uid) or file.st_uid == os.fstat(handle).st_uid


def give(descriptor: int, handle: int) -> None:
    """Give what root has just made to the owner of its folder, as whom the daemon runs."""
    owner = os.fstat(handle)
    if os.geteuid() == 0 != owner.st_uid:
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def user_name(number: int) -> str:
    """Return the name of a user, or the number of one that has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _is_root_or_us(user: int) -> bool:
    return user in {0, os.geteuid()}


def _refuse_shared(path: Path, found: os.stat_result) -> None:
    us = os.geteuid()
    if us != 0 and not _is_root_or_us(found.st_uid):
        owner = user_name(found.st_uid)
        message = f"{path} belongs to user {owner}, and we are {user_name(us)}"
        raise UntrustedError(message, hint=f"run it with sudo, or as user {owner}")
    if found.st_mode & _SHARED:
        who = "everybody" if found.st_mode & stat.S_IWOTH else "its whole group"
        message = f"{path} may be written by {who}, who could say there what is announced"
        raise UntrustedError(message, hint=f"chmod go-w {path}")


def _walk(path: Path, *, make: bool) -> int:
    handle = os.open("/" if path.is_absolute() else ".", _STEP)
    waiting = _names(path)
    links = 0
    try:
        while waiting:
            step = _step(handle, waiting[-1], make=make)
            if not stat.S_ISLNK(os.fstat(step).st_mode):
                waiting.pop()
            else:
                links += 1
                name, in_proc = waiting.pop(), _is_in_proc(step)
                target = _target(step, links, path, name)
                if in_proc:
                    # Such as /proc/1/root, whose text does not say where it leads (proc(5)).
                    step = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=handle)
                else:
                    waiting += _names(target)
                    step = os.open("/" if target.is_absolute() else ".", _STEP, dir_fd=handle)
            os.close(handle)
            handle = step
        # What is no folder has no "." in it.
        os.close(os.open(".", _STEP | os.O_DIRECTORY, dir_fd=handle))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _is_in_proc(handle: int) -> bool:
    """Tell whether it is the kernel's own, which nobody can have planted."""
    try:
        return os.fstat(handle).st_dev == Path("/proc").stat().st_dev
    except FileNotFoundError:
        return False


def _names(path: Path) -> list[str]:
    """Return the names on the way, the last one first."""
    return [name for name in reversed(path.parts) if name != "/"]


def _step(handle: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _STEP, dir_fd=handle)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _FOR_READERS, dir_fd=handle)
        _open_to_readers(handle, name)
    return os.open(name, _STEP, dir_fd=handle)


def _open_to_readers(handle: int, name: str) -> None:
    """Let BIRD and other readers into a folder that we have just made, whatever the umask."""
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
    try:
        os.fchmod(made, _FOR_READERS)
    finally:
        os.close(made)


def _target(link: int, links: int, path: Path, name: str) -> Path:
    """Read a link by its handle, which is closed, and refuse another user's."""
    try:
        owner = os.fstat(link).st_uid
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if not _is_root_or_us(owner):
            message = f"the way to {path} leads over {name}, a link of user {owner}'s"
            raise UntrustedError(message, hint="delete it, or have root make it")
        return Path(os.readlink("", dir_fd=link))
    finally:
        os.close(link)
