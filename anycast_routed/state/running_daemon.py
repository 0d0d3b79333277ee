"""Whether a daemon runs on a run folder, and what it says of itself."""

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
from anycast_routed.system import files, lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_LONGEST_NAME = 4096  # octets


class NoDaemonError(AnycastRoutedError):
    """A verb speaks to the daemon, and none runs."""

    exit_code = Exit.UNAVAILABLE


def pid(run_dir: Path) -> int | None:
    """Return the PID of the daemon that holds the run folder's lock; None where none does.

    It is a process that lives and has left its name there: it may be sent a signal.
    """
    holder = lock.holder(run_dir)
    return holder.pid if holder is not None and holder.verb == "daemon" else None


def said(run_dir: Path) -> status_file.Live | None:
    """Return what the running daemon says of itself; what a dead one has left counts for nothing.

    Raises:
        AccessDeniedError: we may not read it.
    """
    status = status_file.load(run_dir)
    return status if status is not None and status.pid == pid(run_dir) else None


def is_strange(run_dir: Path) -> bool:
    """Tell whether somebody holds the run folder's lock whom nobody knows."""
    return lock.is_held(run_dir) is True and lock.holder(run_dir) is None


def was(run_dir: Path) -> bool:
    """Tell whether the last one here was a daemon; only for a hint, since nothing proves it."""
    with contextlib.suppress(AnycastRoutedError):
        last = files.read_own(run_dir / "holder", most=_LONGEST_NAME) or ""
        return last.split()[2:] == ["daemon"]
    return False


def must(run_dir: Path) -> int:
    """Return the daemon's PID.

    Raises:
        NoDaemonError: none runs, or none that is known.
    """
    number = pid(run_dir)
    if number is None and is_strange(run_dir):
        message = f"somebody holds {run_dir}, who is not known"
        raise NoDaemonError(message, hint=lock.UNKNOWN)
    if number is None:
        message = f"no daemon runs here: nobody holds {run_dir}"
        raise NoDaemonError(message, hint="start it: systemctl start anycast-routed")
    return number


def hang_up(run_dir: Path) -> int:
    """Send SIGHUP to the daemon, and to nothing else; return its PID.

    Raises:
        NoDaemonError: none runs.
        AccessDeniedError: it is another user's, and we are not root.
        HostError: the kernel does not let us.
    """
    number = must(run_dir)
    try:
        _hang_up(run_dir, number)
    except ProcessLookupError:
        message = f"the daemon, PID {number}, has just ended"
        raise NoDaemonError(message) from None
    except PermissionError as error:
        message = f"the daemon, PID {number}, is another user's"
        raise AccessDeniedError(message, hint="run it as that user, or as root") from error
    except OSError as error:
        message = f"cannot send the daemon, PID {number}, a signal: {error.strerror}"
        raise HostError(message, hint="it needs Linux 5.3, and descriptors") from error
    return number


@contextlib.contextmanager
def alone(run_dir: Path, verb: str, *, within: float = 0.0) -> Iterator[None]:
    """Hold the run folder's lock as `lock.hold` does, with a better hint where a daemon has it.

    Raises:
        LockedError: another instance is at work; a daemon is named at once.
        CannotWriteError, AccessDeniedError: the run folder cannot be used.
    """
    with contextlib.ExitStack() as held:
        try:
            patience = 0.0 if within and pid(run_dir) is not None else within
            held.enter_context(lock.hold(run_dir, verb, within=patience))
        except LockedError as error:
            if pid(run_dir) is None:
                raise
            hint = "it reconciles by itself; `anycast-routed reload` makes it read the config"
            raise LockedError(error.message, hint=hint) from None
        yield


def _hang_up(run_dir: Path, number: int) -> None:
    handle = os.pidfd_open(number)
    try:
        # Who the number's process is counts from here on: the handle is on no other one that gets
        # the number later.
        if pid(run_dir) != number:
            raise ProcessLookupError
        signal.pidfd_send_signal(handle, signal.SIGHUP)
    finally:
        os.close(handle)
