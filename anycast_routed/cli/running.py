"""Whether a daemon runs on a run folder, and what it says of itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed import lock
from anycast_routed.errors import AnycastRoutedError, Exit, LockedError
from anycast_routed.report import live

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class NoDaemonError(AnycastRoutedError):
    """A verb speaks to the daemon, and none runs."""

    exit_code = Exit.UNAVAILABLE


def pid(run_dir: Path) -> int | None:
    """Return the PID of the daemon that holds the run folder's lock; None where none does.

    It is a process that lives and has left its name there: it may be sent a signal.
    """
    holder = lock.holder(run_dir)
    return holder.pid if holder is not None and holder.verb == "daemon" else None


def said(run_dir: Path) -> live.Live | None:
    """Return what the running daemon says of itself; what a dead one has left counts for nothing.

    Raises:
        AccessDeniedError: we may not read it.
    """
    status = live.load(run_dir)
    return status if status is not None and status.pid == pid(run_dir) else None


def must(run_dir: Path) -> int:
    """Return the daemon's PID.

    Raises:
        NoDaemonError: none runs.
    """
    number = pid(run_dir)
    if number is None:
        message = f"no daemon runs here: nobody holds {run_dir}"
        raise NoDaemonError(message, hint="start it: systemctl start anycast-routed")
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
