"""What a path is right now, as far as a change of it matters, and where such a change shows."""

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
"""Seconds. Two writes within one tick of a file system's clock have the same time of change."""
_LONGEST_CHAIN: Final = 40
"""Symbolic links on the way to a file: the kernel follows no more (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class State:
    """Equal when nothing that matters has changed."""

    kind: str
    """`file`, `socket`, another kind of file, or why there is none: `ENOENT`."""
    content: bytes | tuple[int, ...]
    """The hash of a file's content; of anything else which one it is."""


@dataclass(frozen=True, slots=True)
class Look:
    """A state, and what tells cheaply that it is still the same; None when nothing does."""

    state: State
    stamp: tuple[int, ...] | None


def look(path: Path, before: Look | None = None) -> Look:
    """Tell what the path is. Never waits for the other end of a FIFO, and never raises OSError.

    A file that looks as it did `before` is not read again. Of one that is larger than a config
    may be only that much is read.
    """
    try:
        return _look(path, before)
    except OSError as error:
        return Look(State(errno.errorcode.get(error.errno or 0, "error"), ()), None)


def _look(path: Path, before: Look | None) -> Look:
    found = path.stat()
    which = (found.st_dev, found.st_ino)
    if stat.S_ISSOCK(found.st_mode):
        # A server that has restarted may have been given the same inode again.
        return Look(State("socket", (*which, found.st_ctime_ns)), None)
    if not stat.S_ISREG(found.st_mode):
        return Look(State(f"{stat.S_IFMT(found.st_mode):o}", which), None)
    stamp = (*which, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    if before is not None and before.stamp == stamp:
        return before
    trusted = time.time() - max(found.st_mtime, found.st_ctime) > _TRUSTED_AFTER
    return Look(State("file", _hash(path)), stamp if trusted else None)


def _hash(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EAGAIN, "it has become something else meanwhile")
        return hashlib.blake2b(file.read(LARGEST + 1)).digest()


def entries(path: Path) -> Iterator[Path]:
    """Give each name, in its real folder, whose replacement can change what the path is.

    These are the path's own, that of each symbolic link on the way (a Kubernetes volume has two:
    `config -> ..data/config`, `..data -> ..2024_05_17`), and that of the first which is missing.
    """
    here, links = Path("/"), 0
    names = [*path.absolute().parts[:0:-1]]
    while names:
        name = names.pop()
        if name == "..":
            here = here.parent
            continue
        entry = here / name
        target = _target(entry)
        if target is not None and links < _LONGEST_CHAIN:
            links += 1
            yield entry
            here = Path("/") if target.is_absolute() else here
            names += [part for part in target.parts[::-1] if part != "/"]
        elif names and entry.is_dir():
            here = entry
        else:
            yield entry
            return


def _target(entry: Path) -> Path | None:
    try:
        return entry.readlink()
    except OSError:
        return None
