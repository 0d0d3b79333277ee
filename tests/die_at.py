"""Run our program and kill it, with SIGKILL, at its N-th step that others can see.

Steps are Python's own audit events (PEP 578): a file is opened, renamed or deleted, a lock is
taken, a socket connects, a command starts. Nothing of ours is patched.
"""

from __future__ import annotations

import os
import signal
import sys

from anycast_routed.cli import main

STEPS = frozenset(
    {"fcntl.flock", "os.mkdir", "os.remove", "os.rename", "socket.connect", "subprocess.Popen"}
)


def install(last: int) -> None:
    """Count steps from here on, and die at the last one before it happens."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        path = str(arguments[0]) if arguments else ""
        written = event == "open" and "anycast-routed" in path
        if event in STEPS or written:
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    install(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
