"""The mark that keeps the announcements over a restart: a process that ends finds it.

It names the boot and a monotonic time, so it counts for that long and no longer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.state import record
from anycast_routed.system import files

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4096  # octets


def mark(run_dir: Path, seconds: float) -> None:
    """Let who stops within so many seconds leave its announcements to a successor.

    Raises:
        CannotWriteError, AccessDeniedError: there is no mark.
    """
    until = time.monotonic() + seconds
    files.write(_path(run_dir), f"{record.this_boot()} {until}\n", durable=False)


def marked(run_dir: Path) -> bool:
    """Tell whether a mark still counts; what cannot be read does not."""
    try:
        boot, until = (files.read_own(_path(run_dir), most=_LARGEST) or "").split()
        return boot == record.this_boot() and time.monotonic() < float(until)
    except (AnycastRoutedError, ValueError):
        return False


def clear(run_dir: Path) -> None:
    """Take the mark away: somebody has taken over, or nobody has.

    Raises:
        CannotWriteError, AccessDeniedError: it stands until its time is over.
    """
    files.remove(_path(run_dir))


def _path(run_dir: Path) -> Path:
    return run_dir / "handover"
