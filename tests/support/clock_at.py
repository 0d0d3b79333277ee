"""Run our program under a clock that a file sets: so many seconds ahead of the machine's own.

The machine's clock is everyone's, and no namespace has one of its own (time_namespaces(7)): so the
whole process is told another time of day. What measures durations is left alone.

clock_at.py FILE VERB...
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from anycast_routed.cli.main import main

TRUE = time.time


def install(file: Path) -> None:
    """Have Python tell the time that this file sets, from here on."""

    def told() -> float:
        return TRUE() + float(file.read_text("ascii"))

    time.time = told


if __name__ == "__main__":
    clock, *words = sys.argv[1:]
    install(Path(clock))
    sys.exit(main(words))
