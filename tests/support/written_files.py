"""What has been written in a folder, file by file, even what was replaced or deleted since.

An event of fanotify(7) holds the very file, where one of inotify(7) has no more than its name:
whoever then opens that may find the next content there. Needs root.
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
_ADD = 0x1  # fanotify_mark(2), as all that follows
_CLOSE_WRITE, _ON_CHILD = 0x8, 0x08000000
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")
_GONE = " (deleted)"  # proc_pid_fd(5)

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.fanotify_mark.argtypes = (
    *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int),
    ctypes.c_char_p,
)


class File(NamedTuple):
    """One that was open for writing, and was closed."""

    name: str
    """What it is called, or was when it was replaced or deleted."""
    stays: bool
    """Whether it still is there, and so may be given another name."""
    text: str
    descriptor: int


class Written:
    """The files that are written in a folder from now on."""

    def __init__(self, folder: Path) -> None:
        reading = os.O_RDONLY | os.O_CLOEXEC
        self._events = _checked(_LIBC.fanotify_init(_CLOEXEC | _NONBLOCK, reading))
        path = os.fsencode(folder)
        mask = _CLOSE_WRITE | _ON_CHILD
        _checked(_LIBC.fanotify_mark(self._events, _ADD, mask, _AT_FDCWD, path))
        self._waiting: list[int] = []

    def close(self) -> None:
        """End it."""
        for one in (self._events, *self._waiting):
            os.close(one)

    def files(self) -> Iterator[File]:
        """Return what was written since the last call, in its order.

        One that `again` was said of comes once more, first.
        """
        waiting, self._waiting = self._waiting, []
        for one in chain(waiting, self._new()):
            yield _file(one)
            if one not in self._waiting:
                os.close(one)

    def again(self, file: File) -> None:
        """Keep one, whose name may change, for the next call."""
        self._waiting.append(file.descriptor)

    def _new(self) -> Iterator[int]:
        while True:
            try:
                # Each event opens a file: a few at a time never need more than this process may.
                events = os.read(self._events, 32 * _EVENT.size)
            except BlockingIOError:
                return
            while events:
                length, _, _, _, mask, descriptor, _ = _EVENT.unpack_from(events)
                assert mask == _CLOSE_WRITE, f"no event is lost: {mask:#x}"
                yield descriptor
                events = events[length:]


def _file(descriptor: int) -> File:
    name = Path(f"/proc/self/fd/{descriptor}").readlink().name
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    stays = not name.endswith(_GONE)
    text = content.decode("utf-8", "surrogateescape")
    return File(name.removesuffix(_GONE), stays, text, descriptor)


def _checked(value: int) -> int:
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return value
