"""The bounded journal of changes: one JSON object a line in the state directory, newest last.

It is for operators and their tools. No decision depends on it, so a power failure may lose its last
lines.
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

from anycast_routed.state import decode, paths
from anycast_routed.system import directories, files
from anycast_routed.system.files import cannot_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LARGEST = 1 << 20  # octets of a file; there are two files
_NEWLINE = 1  # octet that _add may put before the text
_LONGEST = 400  # characters of a text, so that one long entry does not displace many others


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that the router has confirmed, or an event that explains the changes around it."""

    at: float
    """Wall clock, in seconds since the epoch."""
    kind: str
    """`announced`, `withdrawn`, `changed` or `event`."""
    prefix: str
    """Empty for an event that concerns no prefix."""
    service: str
    why: str
    seconds: float | None = None
    """From the first evidence to the router's confirmation."""


def append(state_dir: Path, entries: Iterable[Entry]) -> None:
    """Append the entries in one write(2); a crash leaves at most one partial line, the last.

    The journal takes 2 MiB at most: a file that would exceed 1 MiB becomes history.jsonl.1 and
    replaces the previous one. There is one writer at a time: the process that holds the run
    directory's lock.

    Raises:
        CannotWriteError: the disk is full or read-only, or the file is another user's.
        AccessDeniedError: this user may not write to the directory.
        UntrustedError: the path contains another user's link.
    """
    text = _newest_that_fit([_line(entry) for entry in entries])
    if not text:
        return
    path = paths.journal(state_dir)
    try:
        with directories.opened(state_dir, make=True) as handle:
            _make_room(handle, state_dir, len(text))
            with _opened(handle, path.name) as descriptor:
                _add(descriptor, text)
    except OSError as error:
        raise cannot_write(path, error) from error


def make(state_dir: Path) -> None:
    """Make an empty journal if there is none, so that an unwritable directory is reported early.

    Raises:
        CannotWriteError, AccessDeniedError: as `append`.
    """
    path = paths.journal(state_dir)
    try:
        with directories.opened(state_dir, make=True) as handle, _opened(handle, path.name):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def load(state_dir: Path, most: int = 1000) -> tuple[Entry, ...]:
    """Return the last `most` entries, the newest last; damaged lines are skipped.

    Raises:
        AccessDeniedError, HostError: a file cannot be read.
    """
    # Lazily, so that the older file is read only if the newer one has too few entries.
    newest_first = chain.from_iterable(
        reversed((files.read_own(file, most=_LARGEST) or "").split("\n"))
        for file in (paths.journal(state_dir), paths.older_journal(state_dir))
    )
    entries = (entry for line in newest_first if (entry := _entry(line)) is not None)
    return tuple(reversed(list(islice(entries, most))))


def _make_room(handle: int, state_dir: Path, size: int) -> None:
    """Rename a journal to which `size` more octets do not fit."""
    newer, older = paths.journal(state_dir).name, paths.older_journal(state_dir).name
    with contextlib.suppress(FileNotFoundError):
        found = os.stat(newer, dir_fd=handle, follow_symlinks=False)
        if found.st_size + _NEWLINE + size > _LARGEST:
            os.replace(newer, older, src_dir_fd=handle, dst_dir_fd=handle)


@contextlib.contextmanager
def _opened(handle: int, name: str) -> Iterator[int]:
    # Not blocking: the open of a FIFO at that path would wait for a reader.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o644, dir_fd=handle)
    try:
        found = os.fstat(descriptor)
        is_trusted = directories.has_trusted_owner(found, handle)
        # A file with a second name may be any file of this host.
        if not (stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and is_trusted):
            message = "it is not a regular file with one name, or belongs to another user"
            raise OSError(errno.EINVAL, message)
        if found.st_size == 0:
            directories.give_to_owner(descriptor, handle)
        yield descriptor
    finally:
        os.close(descriptor)


def _add(descriptor: int, text: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        text = b"\n" + text  # A partial line, left by a crash, must not absorb the next entry.
    if os.write(descriptor, text) < len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _newest_that_fit(lines: list[bytes]) -> bytes:
    room = _LARGEST - _NEWLINE
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
            at=decode.wall_clock(raw["at"]),
            kind=str(raw["kind"]),
            prefix=str(raw["prefix"]),
            service=str(raw["service"]),
            why=str(raw["why"]),
            seconds=None if seconds is None else float(seconds),
        )
    except decode.DAMAGED:
        return None
    return entry if math.isfinite(entry.seconds or 0.0) else None
