"""One instance at a time on one run folder: flock(2), so a dead holder never blocks anyone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from anycast_routed.atomic import cannot_write
from anycast_routed.errors import LockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EVERY = 0.02  # seconds between two tries; flock(2) has no waiting with a deadline


@contextlib.contextmanager
def hold(run_dir: Path, holder: str, *, within: float = 0.0) -> Iterator[None]:
    """Hold the lock while the context lasts; `holder` names us to those who find it taken.

    Raises:
        LockedError: another instance still holds it after `within` seconds.
        CannotWriteError, AccessDeniedError: the run folder cannot be used.
    """
    path = run_dir / "lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        _acquire(descriptor, path, time.monotonic() + within)
        # The text is for people only; a full disk must not keep us from a withdrawal.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {holder}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                pid, _, verb = (
                    os.pread(descriptor, 200, 0).decode("utf-8", "replace").partition(" ")
                )
                message = (
                    f"another instance is at work: {verb.strip() or 'unknown'}, PID {pid or '?'}"
                )
                raise LockedError(message, hint=f"it holds {path}; try again later") from None
            time.sleep(_EVERY)
        else:
            return
