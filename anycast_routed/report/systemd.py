"""Notify systemd: the datagrams of sd_notify(3), without its library."""

from __future__ import annotations

import contextlib
import socket
import time
from math import inf
from typing import TYPE_CHECKING

from anycast_routed.report.text import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRESS_EVERY = 1.0  # seconds
_EXTENSION = 30_000_000  # microseconds: the TimeoutStartSec= and WatchdogSec= of the unit
_LONGEST = 1000  # characters of a status: sentences with their fixes
_WITHIN = 0.05  # seconds that a notification may take; systemd's queue is full only if it hangs


class Notify:
    """Notifies systemd; does nothing if systemd did not start this process so. Never raises."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A name with @ is in the abstract namespace: unix(7).
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._ready = False
        self._progress = -inf

    def ready(self) -> None:
        """Report that the start, or a reload, is complete."""
        self._ready = True
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows to people."""
        self._send(f"STATUS={safe(text, most=_LONGEST)}")

    def reloading(self) -> None:
        """Report that a reload begins; `ready` ends it (Type=notify-reload needs the time)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the shutdown begins."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def progress(self) -> None:
        """Feed the watchdog after a part of a pass, at most once a second.

        Until `ready` this extends the start too: a first pass of many calls may take long.
        """
        now = time.monotonic()
        if now - self._progress >= _PROGRESS_EVERY:
            self._progress = now
            extend = "" if self._ready else f"\nEXTEND_TIMEOUT_USEC={_EXTENSION}"
            self._send(f"WATCHDOG=1{extend}")

    def _send(self, state: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        # ValueError and UnicodeError: NOTIFY_SOCKET is no valid socket name.
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
        ):
            client.settimeout(_WITHIN)
            client.connect(self._address)  # Only a connected socket waits for its peer's queue.
            client.send(state.encode("ascii"))
