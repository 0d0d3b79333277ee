"""The handover mark: while it is valid, a daemon that stops keeps its announcements.

The mark has the identity of the boot and a monotonic time, so it expires at that time or at a
reboot.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.state import paths, record
from anycast_routed.system import files

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4096  # octets


def mark(run_dir: Path, seconds: float) -> None:
    """Let a daemon that stops within so many seconds keep its announcements for its successor.

    Raises:
        CannotWriteError, AccessDeniedError: there is no mark.
    """
    until = time.monotonic() + seconds
    files.write(paths.handover(run_dir), f"{record.this_boot()} {until}\n", durable=False)


def marked(run_dir: Path) -> bool:
    """Return whether there is a valid mark; one that cannot be read is not valid."""
    try:
        text = files.read_own(paths.handover(run_dir), most=_LARGEST) or ""
        boot, until = text.split()
        return boot == record.this_boot() and time.monotonic() < float(until)
    except (AnycastRoutedError, ValueError):
        return False


def clear(run_dir: Path) -> None:
    """Delete the mark: a successor has taken over, or none has in time.

    Raises:
        CannotWriteError, AccessDeniedError: the mark stays valid until its time is over.
    """
    files.remove(paths.handover(run_dir))
