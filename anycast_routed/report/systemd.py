"""What systemd is told: the datagrams of sd_notify(3), without its library."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from anycast_routed.report.text import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 1000  # characters of a status, in which are sentences of ours with their remedies
_WITHIN = 0.05  # seconds that systemd may hold us up; its queue is full only while it is stuck


class Notify:
    """Tells systemd how we are; does nothing where systemd did not ask. It never raises."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A name with @ is in the abstract namespace: unix(7).
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """Say that the start, or a reload, is complete."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Give `systemctl status` one line for people."""
        self._send(f"STATUS={safe(text, most=_LONGEST)}")

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it (Type=notify-reload needs the time)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the shutdown begins."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Say that we are alive."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        # ValueError and UnicodeError: a name that cannot be one.
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
        ):
            client.settimeout(_WITHIN)
            client.connect(self._address)  # Only a connected socket can wait for its peer's queue.
            client.send(state.encode("ascii"))
