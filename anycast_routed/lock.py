"""One instance at a time on one run folder: flock(2), so a dead holder never blocks anyone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from anycast_routed import atomic
from anycast_routed.atomic import cannot_write
from anycast_routed.errors import AnycastRoutedError, LockedError

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
    try:
        run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        # The folder itself is locked, which also works on a full or read-only file system.
        descriptor = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_write(run_dir, error) from error
    path = run_dir / "lock"
    try:
        _acquire(descriptor, path, time.monotonic() + within)
        with contextlib.suppress(AnycastRoutedError):
            atomic.write(path, f"{os.getpid()} {holder}\n", durable=False)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                pid, _, verb = (atomic.read(path) or "? unknown").partition(" ")
                message = f"another instance is at work: {verb.strip()}, PID {pid}"
                raise LockedError(
                    message, hint=f"it holds {path.parent}; try again later"
                ) from None
            time.sleep(_EVERY)
        else:
            return
