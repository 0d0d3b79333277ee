"""Read each file that was written in a directory, even if it was replaced or deleted since.

An event of fanotify(7) has an open descriptor of the file. An event of inotify(7) has only the
name, and a reader that opens this name may find later content. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import struct
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLOEXEC, _NONBLOCK = 0x1, 0x2  # fanotify_init(2)
_ADD = 0x1  # fanotify_mark(2); the next three too
_CLOSE_WRITE, _ON_CHILD = 0x8, 0x08000000
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")
_DELETED = " (deleted)"  # proc_pid_fd(5)

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.fanotify_mark.argtypes = (
    *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int),
    ctypes.c_char_p,
)


class File(NamedTuple):
    """A file that was open for writing and has been closed."""

    name: str
    """Its name, or the last name before it was replaced or deleted."""
    stays: bool
    """Whether the file still exists, and so may be renamed."""
    text: str
    descriptor: int


class Written:
    """The files that are written in a directory from now on."""

    def __init__(self, directory: Path) -> None:
        reading = os.O_RDONLY | os.O_CLOEXEC
        self._events = _checked(_LIBC.fanotify_init(_CLOEXEC | _NONBLOCK, reading))
        path = os.fsencode(directory)
        mask = _CLOSE_WRITE | _ON_CHILD
        _checked(_LIBC.fanotify_mark(self._events, _ADD, mask, _AT_FDCWD, path))
        self._waiting: list[int] = []

    def close(self) -> None:
        """Close the descriptors."""
        for one in (self._events, *self._waiting):
            os.close(one)

    def files(self) -> Iterator[File]:
        """Yield the files of `again`, then the files written since the last call, oldest first."""
        waiting, self._waiting = self._waiting, []
        for one in chain(waiting, self._new()):
            yield _file(one)
            if one not in self._waiting:
                os.close(one)

    def again(self, file: File) -> None:
        """Yield this file once more at the next call, since its name may change."""
        self._waiting.append(file.descriptor)

    def _new(self) -> Iterator[int]:
        while True:
            try:
                # Each event opens a descriptor: a few at a time stay below the limit (ulimit -n).
                events = os.read(self._events, 32 * _EVENT.size)
            except BlockingIOError:
                return
            while events:
                length, _, _, _, mask, descriptor, _ = _EVENT.unpack_from(events)
                assert mask == _CLOSE_WRITE, f"an overflow, which loses events: {mask:#x}"
                yield descriptor
                events = events[length:]


def _file(descriptor: int) -> File:
    name = Path(f"/proc/self/fd/{descriptor}").readlink().name
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    stays = not name.endswith(_DELETED)
    text = content.decode("utf-8", "surrogateescape")
    return File(name.removesuffix(_DELETED), stays, text, descriptor)


def _checked(value: int) -> int:
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return value
