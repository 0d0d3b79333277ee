"""Read and write files: a write replaces the whole file, and is on the disk before it is visible.

A reader sees the old content or the new, never a part (rename(2)). This holds after a crash too:
the content is synchronised before the rename, and the directory after it (fsync(2)).

Each step goes through a handle on the directory, which `directories.opened` gives.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

from anycast_routed.errors import (
    AccessDeniedError,
    AnycastRoutedError,
    CannotWriteError,
    HostError,
)
from anycast_routed.system import directories

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 64 << 20
"""The largest file that `read` reads by default, in octets; 10,000 routes are 2 MiB."""
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
    """Replace the content of `path`; make its directory if it is missing.

    `owner` is a user and a group. By default the file belongs to this process's user; for root, to
    the directory's owner. Without `durable` a power failure may lose the change, but never leaves
    a part of it.

    Raises:
        CannotWriteError: the disk is full or read-only; the old content is intact.
        AccessDeniedError: this user may not write to the directory.
        UntrustedError: the path contains another user's link.
    """
    temporary = f".{path.name}.{secrets.token_hex(4)}"
    try:
        with directories.opened(path.parent, make=True) as handle:
            try:
                with open(_created(handle, temporary, mode, owner), "wb") as stream:
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
    """Delete `path`, if it exists. This needs no space on the disk.

    Raises:
        CannotWriteError, AccessDeniedError, UntrustedError: as `write`.
    """
    try:
        with contextlib.suppress(FileNotFoundError), directories.opened(path.parent) as handle:
            os.unlink(path.name, dir_fd=handle)
    except OSError as error:
        raise cannot_write(path, error) from error


def read(path: Path, *, most: int = LARGEST) -> str | None:
    """Return the content of a regular file, or None if there is no such file.

    A link, a directory or a FIFO (which would never end) at that path counts as no file, because
    this program did not write it. So does a file of more than `most` octets. Octets that are not
    UTF-8 survive as surrogate escapes.

    Raises:
        AccessDeniedError: this user may not read the file.
        UntrustedError: the path contains another user's link.
        HostError: the file cannot be read for another reason, such as a disk error.
    """
    found = _read(path, most, trusted=False)
    return None if found is None else found[0]


def read_own(path: Path, *, most: int) -> str | None:
    """Return the content of a file as `read` does, but only if its owner is trusted.

    Trusted owners are root, this process's user, and the owner of the directory. That owner is
    the daemon's user, and root reads the file too: so `most` must never be more than this program
    writes.
    """
    found = _read(path, most, trusted=True)
    return None if found is None else found[0]


def read_signed(path: Path, *, most: int) -> tuple[str, int] | None:
    """Return the content of a file as `read_own` does, and the user that owns the file."""
    return _read(path, most, trusted=True)


def cannot_write(path: Path, error: OSError) -> AnycastRoutedError:
    """Return the error that says why `path` could not be written, with a hint."""
    message = f"cannot write {path}: {error.strerror}"
    if isinstance(error, PermissionError):
        hint = "give the directory to this user (tmpfiles.d(5)), or run it as the user that owns it"
        return AccessDeniedError(message, hint=hint)
    if error.errno == errno.EROFS:
        hint = f"mount it writable; in a systemd unit: ReadWritePaths={path.parent}"
        return CannotWriteError(message, hint=hint)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return CannotWriteError(message, hint="free space on its file system")
    return CannotWriteError(message, hint=f"check that {path.parent} is a writable directory")


def _read(path: Path, most: int, *, trusted: bool) -> tuple[str, int] | None:
    try:
        with directories.opened(path.parent) as handle:
            descriptor = os.open(path.name, _READ, dir_fd=handle)
            with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                    return None
                if trusted and not directories.has_trusted_owner(found, handle):
                    return None
                text = stream.read(most).decode("utf-8", "surrogateescape")
                return text, found.st_uid
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            return None
        message = f"cannot read {path}: {error.strerror}"
        if isinstance(error, PermissionError):
            raise AccessDeniedError(message, hint="run it as a user that may read it") from error
        hint = "check the disk, and the limits (ulimit -a)"
        raise HostError(message, hint=hint) from error


def _created(handle: int, name: str, mode: int, owner: tuple[int, int] | None) -> int:
    """Create a file in the directory with this mode and owner, and return its descriptor."""
    descriptor = os.open(name, _WRITE, mode, dir_fd=handle)
    try:
        if owner is None:
            directories.give_to_owner(descriptor, handle)
        else:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)  # The umask and the change of owner may have cleared bits.
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _synchronise(handle: int) -> None:
    """Write the directory to the disk (fsync(2)); a handle by O_PATH cannot be synchronised."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
