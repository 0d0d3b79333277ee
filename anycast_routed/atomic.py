"""The one way to write a file: whole or not at all, and on the disk before anyone reads it.

A reader sees the old content or the new, never a part (rename(2)); after a crash too, since
the content is synchronised before the rename, and the folder after it (fsync(2)).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, AnycastRoutedError, CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace the content of `path`; its folder is made when it is missing.

    Without `durable` a power cut may lose the change, but never leaves a part of it.

    Raises:
        CannotWriteError: the disk is full or read-only; the old content is intact.
        AccessDeniedError: the folder is not ours to write.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            _write_new(temporary, text, mode, durable=durable)
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
    """Return the content of `path`, or None where there is none. Other bytes than UTF-8 survive.

    Raises:
        AccessDeniedError: we may not read it.
    """
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise AccessDeniedError(message) from error


def cannot_write(path: Path, error: OSError) -> AnycastRoutedError:
    """Say in our words why `path` could not be written."""
    message = f"cannot write {path}: {error.strerror}"
    if isinstance(error, PermissionError):
        hint = f"let this user write in {path.parent}, or run as the user that may"
        return AccessDeniedError(message, hint=hint)
    return CannotWriteError(message, hint="free space on its file system, or make it writable")


def _write_new(path: Path, text: str, mode: int, *, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
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
