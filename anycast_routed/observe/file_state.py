"""Take the state of a path that matters for a change, and name the entries that can change it."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anycast_routed.config.load import LARGEST

_TRUSTED_AFTER: Final = 2.0
"""Seconds. Two writes within one clock tick of a file system leave the same modification time."""
_MOST_LINKS: Final = 40
"""Symbolic links to follow on the way to a file: the kernel's limit (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of a path; equal as long as nothing that matters has changed."""

    kind: str
    """`file`, `socket`, the mode bits of another kind, or the error if there is none: `ENOENT`."""
    content: bytes | tuple[int, ...]
    """The hash of a file's content; the identity of anything else."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state, and the stat values that show cheaply that it has not changed."""

    state: FileState
    stamp: tuple[int, ...] | None
    """None if stat values cannot show that."""


def take(path: Path, before: Snapshot | None = None) -> Snapshot:
    """Return a snapshot of the path. Never waits for a writer of a FIFO; never raises OSError.

    A file with the stat values of `before` is not read again. Of a file that is larger than a
    config file may be, only that many octets are read.
    """
    try:
        return _take(path, before)
    except OSError as error:
        return Snapshot(FileState(errno.errorcode.get(error.errno or 0, "error"), ()), None)


def _take(path: Path, before: Snapshot | None) -> Snapshot:
    found = path.stat()
    identity = (found.st_dev, found.st_ino)
    if stat.S_ISSOCK(found.st_mode):
        # A server that restarted may get the same inode again.
        return Snapshot(FileState("socket", (*identity, found.st_ctime_ns)), None)
    if not stat.S_ISREG(found.st_mode):
        return Snapshot(FileState(f"{stat.S_IFMT(found.st_mode):o}", identity), None)
    stamp = (*identity, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if before is not None and before.stamp == stamp:
        return before
    trusted = time.time() - max(found.st_mtime, found.st_ctime) > _TRUSTED_AFTER
    return Snapshot(FileState("file", _hash(path)), stamp if trusted else None)


def _hash(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EAGAIN, "it was replaced by another kind of file")
        return hashlib.blake2b(file.read(LARGEST + 1)).digest()


def entries(path: Path) -> Iterator[Path]:
    """Yield each directory entry whose replacement can change the path, in its real directory.

    These are the entry of the path itself, of each symbolic link on the way (a Kubernetes volume
    has two: `config -> ..data/config`, `..data -> ..2024_05_17`), and the first that is missing.
    """
    here, links = Path("/"), 0
    names = [*path.absolute().parts[:0:-1]]
    while names:
        name = names.pop()
        if name == "..":
            here = here.parent
            continue
        entry = here / name
        target = _link_target(entry)
        if target is not None and links < _MOST_LINKS:
            links += 1
            yield entry
            here = Path("/") if target.is_absolute() else here
            names += [part for part in target.parts[::-1] if part != "/"]
        elif names and entry.is_dir():
            here = entry
        else:
            yield entry
            return


def _link_target(entry: Path) -> Path | None:
    try:
        return entry.readlink()
    except OSError:
        return None
