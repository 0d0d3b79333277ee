"""The one way to write a file: whole or not at all, and on the disk before anyone reads it.

A reader sees the old content or the new, never a part (rename(2)); after a crash too, since
the content is synchronised before the rename, and the folder after it (fsync(2)).
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path

_NOT_A_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO})


def write(
    path: Path,
    text: str,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] | None = None,
    durable: bool = True,
) -> None:
    """Replace the content of `path`; its folder is made when it is missing.

    `owner` is a user and a group; they are ours unless it is given. Without
    `durable` a power cut may lose the change, but never leaves a part of it.

    Raises:
        CannotWriteError: the disk is full or read-only; the old content is intact.
        AccessDeniedError: the folder is not ours to write.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            _write_new(temporary, text, mode, owner, durable=durable)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        if durable:
            _synchronise_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def remove(path: Path) -> None:
    """Delete `path`; one that is missing is fine. Needs no space on the disk."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def read(path: Path) -> str | None:
    """Return the content of a regular file, or None where there is none.

    A link, a folder or a FIFO (which would never end) at that place is none: it is not what we
    wrote. Other bytes than UTF-8 survive.

    Raises:
        AccessDeniedError: we may not read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return stream.read().decode("utf-8", "surrogateescape")
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            return None
        message = f"cannot read {path}: {error.strerror}"
        raise AccessDeniedError(message) from error


def cannot_write(path: Path, error: OSError) -> AnycastRoutedError:
    """Say in our words why `path` could not be written."""
    message = f"cannot write {path}: {error.strerror}"
    if isinstance(error, PermissionError):
        hint = "make its folder for this user (tmpfiles.d(5)), or run as the user that may write"
        return AccessDeniedError(message, hint=hint)
    return CannotWriteError(message, hint="free space on its file system, or make it writable")


def _write_new(
    path: Path, text: str, mode: int, owner: tuple[int, int] | None, *, durable: bool
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
        if owner is not None:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)  # Neither the umask nor the change of owner may cut it.
        stream.write(text.encode("utf-8", "surrogateescape"))
        if durable:
            stream.flush()
            os.fsync(stream.fileno())


def _synchronise_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
