"""Hold all threads of a process still, as a debugger does (ptrace(2))."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anycast_routed.system.process_stat import stat_fields
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17  # PTRACE_*, linux/ptrace.h
_ANY_THREAD: Final = 0x40000000  # __WALL, linux/wait.h


@contextlib.contextmanager
def held(pids: Iterable[int]) -> Iterator[None]:
    """Hold these processes inside the `with` block: they have the state t, and do nothing."""
    threads = [int(one.name) for pid in pids for one in Path(f"/proc/{pid}/task").iterdir()]
    try:
        for thread in threads:
            _ptrace(_SEIZE, thread)
            _ptrace(_INTERRUPT, thread)
        for thread in threads:
            os.waitpid(thread, _ANY_THREAD)
        eventually(lambda: all(stat_fields(f"/proc/{one}/stat")[0] == "t" for one in threads))
        yield
    finally:
        for thread in threads:
            with contextlib.suppress(OSError):  # it has ended
                _ptrace(_DETACH, thread)


def _ptrace(request: int, thread: int) -> None:
    if _LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
