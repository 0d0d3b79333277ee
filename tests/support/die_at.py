"""Run anycast-routed and kill it, with SIGKILL, at its N-th step that other processes can see.

Steps are Python's audit events (PEP 578), from the lock on: a file is opened for writing, renamed
or deleted, a socket connects, a command starts. No code of the program is patched. For a daemon,
only the steps of the thread that talks to the router count, and only once FILE exists.

die_at.py STEP VERB...
die_at.py STEP FILE daemon
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from anycast_routed.cli.main import main

LOCKED = "fcntl.flock"
STEPS = frozenset({LOCKED, "os.remove", "os.rename", "socket.connect", "subprocess.Popen"})
WRITING = os.O_WRONLY | os.O_RDWR

EVERY = "ANYCAST_ROUTED_EVERY_STEP" in os.environ
"""Whether to die at every step, as the soak does."""


def steps(most: int, router: str) -> range:
    """Return the steps to die at, below `most`: all in the soak, else every third or fourth."""
    return range(1, most, 1 if EVERY else 4 if router == "frr" else 3)


def is_writing(path: object, _mode: object, flags: object) -> bool:
    """Return whether a file is opened for writing; a pipe to a command has a number and no path."""
    return isinstance(path, (str, os.PathLike)) and isinstance(flags, int) and bool(flags & WRITING)


def install(last: int, armed: Path | None = None) -> None:
    """Count steps from now on, and kill this process just before step `last`."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        writes = event == "open" and is_writing(*arguments)
        if event not in STEPS and not writes:
            return
        if is_counted(armed) if armed else seen or event == LOCKED:
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def is_counted(armed: Path) -> bool:
    """Return whether a step of the daemon counts."""
    return threading.current_thread().name.startswith("announce") and armed.exists()


if __name__ == "__main__":
    step, *words = sys.argv[1:]
    is_daemon = words[0].startswith("/")
    install(int(step), Path(words[0]) if is_daemon else None)
    sys.exit(main(words[is_daemon:]))
