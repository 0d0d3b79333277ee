"""The bounded journal of changes: one JSON object a line in the state folder, newest last.

It is for people and their tools. No decision rests on it, so a power cut may take its last lines.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from anycast_routed.system import directories, files
from anycast_routed.system.files import cannot_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MOST = 1 << 20  # bytes of a file; there are two
_NEWLINE = 1  # byte that _add may put in front
_LONGEST = 400  # characters of a text, so that no entry crowds out the others
_LATEST = 253402300799  # the last second of the year 9999, the last that a calendar can show
_CORRUPT = (ValueError, TypeError, KeyError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that the router has confirmed, or one event that explains those around it."""

    at: float
    """Wall clock, in seconds since the epoch."""
    kind: str
    """`announced`, `withdrawn`, `changed` or `event`."""
    prefix: str
    """Empty for an event that is about no prefix."""
    service: str
    why: str
    seconds: float | None = None
    """From the first evidence to the router's confirmation."""


def append(state_dir: Path, entries: Iterable[Entry]) -> None:
    """Add the entries in one write(2); a crash leaves at most one partial line, the last.

    The journal takes 2 MiB at most: a file that would pass 1 MiB becomes history.jsonl.1, in
    place of the one before. It has one writer at a time: the holder of the run folder's lock.

    Raises:
        CannotWriteError: the disk is full or read-only, or the file there is not ours.
        AccessDeniedError: the folder is not ours to write.
    """
    text = _newest_that_fit([_line(entry) for entry in entries])
    if not text:
        return
    path = _path(state_dir)
    try:
        with directories.opened(state_dir, make=True) as handle:
            _make_room(handle, path, len(text))
            with _opened(handle, path.name) as descriptor:
                _add(descriptor, text)
    except OSError as error:
        raise cannot_write(path, error) from error


def make(state_dir: Path) -> None:
    """Make the journal where there is none: so it is told early that nothing can be kept.

    Raises:
        CannotWriteError, AccessDeniedError: as `append`.
    """
    path = _path(state_dir)
    try:
        with directories.opened(state_dir, make=True) as handle, _opened(handle, path.name):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def load(state_dir: Path, most: int = 1000) -> tuple[Entry, ...]:
    """Return the last `most` entries, the newest last; lines that are not entries are skipped.

    Raises:
        AccessDeniedError: we may not read it.
    """
    path = _path(state_dir)
    # Lazily, so that the older file is read only where the newer one has too few.
    newest_first = chain.from_iterable(
        reversed((files.read_own(file, most=_MOST) or "").split("\n"))
        for file in (path, _older(path))
    )
    entries = (entry for line in newest_first if (entry := _entry(line)) is not None)
    return tuple(reversed(list(islice(entries, most))))


def _make_room(handle: int, path: Path, size: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        there = os.stat(path.name, dir_fd=handle, follow_symlinks=False)
        if there.st_size + _NEWLINE + size > _MOST:
            os.replace(path.name, _older(path).name, src_dir_fd=handle, dst_dir_fd=handle)


@contextlib.contextmanager
def _opened(handle: int, name: str) -> Iterator[int]:
    # Not blocking, because a FIFO at that place would wait for a reader.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o644, dir_fd=handle)
    try:
        found = os.fstat(descriptor)
        is_own = directories.is_own(found, handle)
        # A file with a second name may be any file of the machine.
        if not (stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and is_own):
            raise OSError(errno.EINVAL, "not a regular file of ours")
        if found.st_size == 0:
            directories.give(descriptor, handle)
        yield descriptor
    finally:
        os.close(descriptor)


def _add(descriptor: int, text: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        text = b"\n" + text  # What a crash has left half must not swallow the next entry.
    if os.write(descriptor, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _newest_that_fit(lines: list[bytes]) -> bytes:
    room = _MOST - _NEWLINE
    kept: list[bytes] = []
    for line in reversed(lines):
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return b"".join(reversed(kept))


def _line(entry: Entry) -> bytes:
    facts = {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in asdict(entry).items()
    }
    return f"{json.dumps(facts)}\n".encode("ascii")


def _entry(line: str) -> Entry | None:
    try:
        raw = json.loads(line)
        seconds = raw["seconds"]
        entry = Entry(
            at=float(raw["at"]),
            kind=str(raw["kind"]),
            prefix=str(raw["prefix"]),
            service=str(raw["service"]),
            why=str(raw["why"]),
            seconds=None if seconds is None else float(seconds),
        )
    except _CORRUPT:
        return None
    # NaN is not between them either.
    return entry if 0 <= entry.at <= _LATEST and math.isfinite(entry.seconds or 0.0) else None


def _path(state_dir: Path) -> Path:
    return state_dir / "history.jsonl"


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
