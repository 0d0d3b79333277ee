"""Run anycast-routed with a wall clock that is ahead of the host's, by the seconds in a file.

All processes of a host share its wall clock, and no namespace has its own (time_namespaces(7)). So
`time.time` of this process is replaced. The monotonic clock, which measures durations, is not.

clock_at.py FILE VERB...
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from anycast_routed.cli.main import main

HOST_TIME = time.time


def install(file: Path) -> None:
    """Replace `time.time`: add the number of seconds in this file to the host's time."""

    def shifted() -> float:
        return HOST_TIME() + float(file.read_text("ascii"))

    time.time = shifted


if __name__ == "__main__":
    clock, *words = sys.argv[1:]
    install(Path(clock))
    sys.exit(main(words))
