"""Find the daemon that runs on a run directory, its status and its PID, and send it SIGHUP."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from anycast_routed.errors import (
    AccessDeniedError,
    AnycastRoutedError,
    Exit,
    HostError,
    LockedError,
)
from anycast_routed.state import status_file
from anycast_routed.system import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class NoDaemonError(AnycastRoutedError):
    """A verb needs the running daemon, and none runs."""

    exit_code = Exit.UNAVAILABLE


def pid(run_dir: Path) -> int | None:
    """Return the PID of the daemon that holds the run directory's lock; None if none does.

    The process runs and has written the file `holder` itself: it is safe to send it a signal.

    Raises:
        AccessDeniedError, HostError: the file `holder` cannot be read.
    """
    holder = lock.holder(run_dir)
    return holder.pid if holder is not None and holder.verb == "daemon" else None


def said(run_dir: Path) -> status_file.Live | None:
    """Return the status of the running daemon; ignore the status file of one that has ended.

    Raises:
        AccessDeniedError, HostError: the status file or `holder` cannot be read.
    """
    status = status_file.load(run_dir)
    return status if status is not None and status.pid == pid(run_dir) else None


def has_unknown_holder(run_dir: Path) -> bool:
    """Return whether an unknown process holds the run directory's lock."""
    return lock.is_held(run_dir) is True and lock.holder(run_dir) is None


def was_last(run_dir: Path) -> bool:
    """Return whether a daemon last held the lock; only for a hint, since nothing proves it."""
    with contextlib.suppress(AnycastRoutedError):
        last = lock.last_holder(run_dir)
        return last is not None and last.verb == "daemon"
    return False


def must(run_dir: Path) -> int:
    """Return the daemon's PID.

    Raises:
        NoDaemonError: no daemon runs, or an unknown process holds the lock.
    """
    number = pid(run_dir)
    if number is None and has_unknown_holder(run_dir):
        message = f"an unknown process holds the lock of {run_dir}"
        raise NoDaemonError(message, hint=lock.UNKNOWN)
    if number is None:
        message = f"no daemon runs here: the lock of {run_dir} is free"
        raise NoDaemonError(message, hint="start it: systemctl start anycast-routed")
    return number


def hang_up(run_dir: Path) -> int:
    """Send SIGHUP to the daemon, and to no other process; return the daemon's PID.

    Raises:
        NoDaemonError: no daemon runs.
        AccessDeniedError: the daemon runs as another user, and this user is not root.
        HostError: the system call fails.
    """
    number = must(run_dir)
    try:
        _hang_up(run_dir, number)
    except ProcessLookupError:
        message = f"the daemon, PID {number}, has just ended"
        raise NoDaemonError(message) from None
    except PermissionError as error:
        message = f"the daemon, PID {number}, runs as another user"
        raise AccessDeniedError(message, hint="run the verb as that user, or with sudo") from error
    except OSError as error:
        message = f"cannot send a signal to the daemon, PID {number}: {error.strerror}"
        raise HostError(
            message, hint="this needs Linux 5.3 or later, and a free file descriptor (ulimit -n)"
        ) from error
    return number


@contextlib.contextmanager
def alone(run_dir: Path, verb: str, *, within: float = 0.0) -> Iterator[None]:
    """Hold the run directory's lock as `lock.hold` does, with a better hint if a daemon holds it.

    `within` is how long to wait, in seconds; there is no wait for a daemon, which does not end.

    Raises:
        LockedError: another process holds the lock.
        CannotWriteError, AccessDeniedError: the run directory cannot be used.
    """
    with contextlib.ExitStack() as held:
        try:
            patience = 0.0 if within and pid(run_dir) is not None else within
            held.enter_context(lock.hold(run_dir, verb, within=patience))
        except LockedError as error:
            if pid(run_dir) is None:
                raise
            hint = "it applies the config itself; `anycast-routed reload` makes it read the config"
            raise LockedError(error.message, hint=hint) from None
        yield


def _hang_up(run_dir: Path, number: int) -> None:
    handle = os.pidfd_open(number)
    try:
        # Check the PID again: from here on the handle cannot refer to another process, even if
        # that process gets the same number.
        if pid(run_dir) != number:
            raise ProcessLookupError
        signal.pidfd_send_signal(handle, signal.SIGHUP)
    finally:
        os.close(handle)
