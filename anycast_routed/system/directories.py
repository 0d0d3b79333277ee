"""Open a directory safely: follow no other user's link, and refuse one that others can write to.

Later operations in the directory go through its handle (openat(2)), so they reach the same
directory even if another one is put in its place meanwhile. On the path, only links that belong to
root or to this process's user are followed, as /var/run is: a user who can plant a link in a
directory of their own cannot redirect root through that link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, ConfigError, HostError
from anycast_routed.system.users import user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_SHARED = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40  # the kernel's limit (path_resolution(7))
_MODE = 0o755
_NO_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class UntrustedError(AccessDeniedError):
    """Other users control the content of a directory, or which directory a path leads to."""


@contextlib.contextmanager
def opened(path: Path, *, make: bool = False, unshared: bool = False) -> Iterator[int]:
    """Open a directory and yield a handle on it, for `dir_fd`; `make` creates a missing one.

    `unshared` refuses a directory that its group or all users can write to, or that belongs to
    another user. Its owner may be root or this process's user. For root it may be any user: that
    user runs the daemon, and no file in the directory can redirect root.

    Raises:
        UntrustedError: the path contains another user's link, or others can write to it.
        OSError: the directory cannot be reached, made or searched.
    """
    handle = _walk(path, make=make)
    try:
        if unshared:
            _refuse_shared(path, os.fstat(handle))
        yield handle
    finally:
        os.close(handle)


def refuse_shared(path: Path) -> None:
    """Refuse a directory that `opened` does not accept as `unshared`; accept a missing one.

    Raises:
        UntrustedError: as `opened`.
        AccessDeniedError: this user may not search the path.
        ConfigError: the path does not lead to a directory.
        HostError: the system call fails for another reason, such as a disk error.
    """
    try:
        with contextlib.suppress(FileNotFoundError), opened(path, unshared=True):
            pass
    except PermissionError as error:
        message = f"this user may not open the directory {path}"
        raise AccessDeniedError(message, hint="run it with sudo") from error
    except OSError as error:
        message = f"cannot open the directory {path}: {error.strerror}"
        if error.errno in _NO_DIRECTORY:
            hint = "move what is at this path, or name another directory in the config"
            raise ConfigError(message, hint=hint) from error
        raise HostError(message, hint="check the disk, and the limits (ulimit -a)") from error


def writable_by_all(path: Path) -> bool:
    """Return whether the mode of a file or directory lets every user of this host change it.

    A sticky directory, such as /tmp, does not count: no user can replace another user's file there.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def has_trusted_owner(file: os.stat_result, handle: int) -> bool:
    """Return whether a file belongs to root, to this process's user, or to the directory's owner.

    `handle` is the handle on the directory that contains the file.
    """
    return _is_root_or_self(file.st_uid) or file.st_uid == os.fstat(handle).st_uid


def give_to_owner(descriptor: int, handle: int) -> None:
    """Give a file that root has just made to the owner of its directory, the daemon's user.

    Does nothing for other users than root, and where the directory is root's own.
    """
    owner = os.fstat(handle)
    if os.geteuid() == 0 != owner.st_uid:
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _is_root_or_self(user: int) -> bool:
    return user in {0, os.geteuid()}


def _refuse_shared(path: Path, found: os.stat_result) -> None:
    user = os.geteuid()
    if user != 0 and not _is_root_or_self(found.st_uid):
        owner = user_name(found.st_uid)
        message = f"{path} belongs to user {owner}, but this is user {user_name(user)}"
        raise UntrustedError(message, hint=f"run it with sudo, or as user {owner}")
    if found.st_mode & _SHARED:
        writers = "everybody" if found.st_mode & stat.S_IWOTH else "its whole group"
        message = f"{path} may be written by {writers}, who could change what is announced"
        raise UntrustedError(message, hint=f"chmod go-w {path}")


def _walk(path: Path, *, make: bool) -> int:
    """Return a handle on the directory; each name of the path is opened by its parent's handle."""
    handle = os.open("/" if path.is_absolute() else ".", _STEP)
    names = _reversed_names(path)
    links = 0
    try:
        while names:
            step = _step(handle, names[-1], make=make)
            if not stat.S_ISLNK(os.fstat(step).st_mode):
                names.pop()
            else:
                links += 1
                name, in_proc = names.pop(), _is_in_proc(step)
                target = _target(step, links, path, name)
                if in_proc:
                    # Such as /proc/1/root, whose text is not the path that it leads to (proc(5)).
                    step = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=handle)
                else:
                    names += _reversed_names(target)
                    step = os.open("/" if target.is_absolute() else ".", _STEP, dir_fd=handle)
            os.close(handle)
            handle = step
        # This fails with ENOTDIR where the handle is not one on a directory.
        os.close(os.open(".", _STEP | os.O_DIRECTORY, dir_fd=handle))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _is_in_proc(handle: int) -> bool:
    """Return whether a link belongs to /proc: only the kernel makes links there."""
    try:
        return os.fstat(handle).st_dev == Path("/proc").stat().st_dev
    except FileNotFoundError:
        return False


def _reversed_names(path: Path) -> list[str]:
    """Return the names in a path, the last one first."""
    return [name for name in reversed(path.parts) if name != "/"]


def _step(handle: int, name: str, *, make: bool) -> int:
    """Return a handle on a name in the directory; `make` creates a missing directory."""
    try:
        return os.open(name, _STEP, dir_fd=handle)
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, _MODE, dir_fd=handle)
        _set_mode(handle, name)
    return os.open(name, _STEP, dir_fd=handle)


def _set_mode(handle: int, name: str) -> None:
    """Let BIRD and other readers into a directory that was just made, whatever the umask."""
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
    try:
        os.fchmod(made, _MODE)
    finally:
        os.close(made)


def _target(link: int, links: int, path: Path, name: str) -> Path:
    """Return the target of a link, read by its handle, which is then closed.

    Raises:
        UntrustedError: the link belongs to another user.
        OSError: ELOOP, after 40 links.
    """
    try:
        owner = os.fstat(link).st_uid
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if not _is_root_or_self(owner):
            message = f"the path {path} has the link {name}, which belongs to user {owner}"
            raise UntrustedError(message, hint="delete the link, or let root make it")
        return Path(os.readlink("", dir_fd=link))
    finally:
        os.close(link)
