"""The fastest possible withdrawal: wait for one kernel event, then send a prepared change.

`python -m bench.baseline_script bird TEXT` waits until a UDP socket on port 53 closes, and sends
the prepared commands on a connection to BIRD that it opened before.
`python -m bench.baseline_script frr TEXT` runs one vtysh with the prepared lines.
The script makes no check and no decision, and reads nothing back.
"""

from __future__ import annotations

import select
import socket
import sys
from pathlib import Path

from anycast_routed.lab import bird
from anycast_routed.observe.sock_diag import ClosedSockets
from anycast_routed.system.commands import run


def main() -> int:
    """Wait for the event, and change the router once."""
    router, text = sys.argv[1:]
    deaths = ClosedSockets({53})
    with socket.socket(socket.AF_UNIX) as control:
        if router == "bird":
            control.connect(bird.CONTROL)
            control.recv(4096)  # BIRD's greeting
        lines = Path(text).read_text("utf-8")
        print("ready", flush=True)
        while not deaths.read():
            select.select([deaths.fileno()], [], [])
        if router == "bird":
            for line in lines.splitlines(keepends=True):
                control.sendall(line.encode("ascii"))
                control.recv(4096)
        else:
            run(["vtysh", "-d", "bgpd", "-c", lines], within=10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
