"""The one way to write a file: whole or not at all, and on the disk before anyone reads it.

A reader sees the old content or the new, never a part (rename(2)); after a crash too, since
the content is synchronised before the rename, and the folder after it (fsync(2)).

Each step goes by a handle on the folder, which `folder` tells how to come by.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, CannotWriteError
from anycast_routed.system import directories

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 64 << 20
"""Octets of a file that is read, where nothing less is said; 10,000 routes are 2 MiB."""
_NOT_A_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO})
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write(
    path: Path,
    text: str,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] | None = None,
    durable: bool = True,
) -> None:
    """Replace the content of `path`; its folder is made when it is missing.

    `owner` is a user and a group; they are ours unless it is given, and where we are root the
    folder's. Without `durable` a power cut may lose the change, but never leaves a part of it.

    Raises:
        CannotWriteError: the disk is full or read-only; the old content is intact.
        AccessDeniedError: the folder is not ours to write, or not to be trusted.
    """
    temporary = f".{path.name}.{secrets.token_hex(4)}"
    try:
        with directories.opened(path.parent, make=True) as handle:
            try:
                with open(_made(handle, temporary, mode, owner), "wb") as stream:
                    stream.write(text.encode("utf-8", "surrogateescape"))
                    if durable:
                        stream.flush()
                        os.fsync(stream.fileno())
                os.replace(temporary, path.name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=handle)
                raise
            if durable:
                _synchronise(handle)
    except OSError as error:
        raise cannot_write(path, error) from error


def remove(path: Path) -> None:
    """Delete `path`; one that is missing is fine. Needs no space on the disk."""
    try:
        with contextlib.suppress(FileNotFoundError), directories.opened(path.parent) as handle:
            os.unlink(path.name, dir_fd=handle)
    except OSError as error:
        raise cannot_write(path, error) from error


def read(path: Path, *, most: int = LARGEST) -> str | None:
    """Return the content of a regular file, or None where there is none.

    A link, a folder or a FIFO (which would never end) at that place is none: it is not what we
    wrote. Nor is a file of more than `most` octets. Other bytes than UTF-8 survive.

    Raises:
        AccessDeniedError: we may not read it, or the way to it is not to be trusted.
    """
    found = _read(path, most, own=False)
    return None if found is None else found[0]


def read_own(path: Path, *, most: int) -> str | None:
    """Return the content of a file of ours as `read` does; another user's file is none.

    Ours is what root, we, or the owner of the folder has left there. Where he is the daemon's
    user, root reads it too: so `most` is never more than we would write.
    """
    found = _read(path, most, own=True)
    return None if found is None else found[0]


def read_signed(path: Path, *, most: int) -> tuple[str, int] | None:
    """Return the content of a file of ours as `read_own` does, and who has left it."""
    return _read(path, most, own=True)


def cannot_write(path: Path, error: OSError) -> AnycastRoutedError:
    """Say in our words why `path` could not be written."""
    message = f"cannot write {path}: {error.strerror}"
    if isinstance(error, PermissionError):
        hint = "make its folder for this user (tmpfiles.d(5)), or run as the user that may write"
        return AccessDeniedError(message, hint=hint)
    if error.errno == errno.EROFS:
        hint = f"mount it writable; in a unit of systemd's: ReadWritePaths={path.parent}"
        return CannotWriteError(message, hint=hint)
    return CannotWriteError(message, hint="free space on its file system, or make it writable")


def _read(path: Path, most: int, *, own: bool) -> tuple[str, int] | None:
    try:
        with directories.opened(path.parent) as handle:
            descriptor = os.open(path.name, _READ, dir_fd=handle)
            with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                    return None
                if own and not directories.is_own(found, handle):
                    return None
                text = stream.read(most).decode("utf-8", "surrogateescape")
                return text, found.st_uid
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            return None
        message = f"cannot read {path}: {error.strerror}"
        raise AccessDeniedError(message) from error


def _made(handle: int, name: str, mode: int, owner: tuple[int, int] | None) -> int:
    descriptor = os.open(name, _WRITE, mode, dir_fd=handle)
    try:
        if owner is None:
            directories.give(descriptor, handle)
        else:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)  # Neither the umask nor the change of owner may cut it.
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _synchronise(handle: int) -> None:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
