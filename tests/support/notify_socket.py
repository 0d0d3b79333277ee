"""A socket in systemd's place, which receives the notifications of the daemon (sd_notify(3))."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NOTIFY_SOCKET = "/run/notify"
"""The path inside the host, for the environment variable of this name."""


class NotifySocket:
    """Reads each notification at once, as systemd does. A context manager."""

    def __init__(self, path: Path) -> None:
        self.received: list[str] = []
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._server.bind(str(path))
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RD)
        self._reader.join()
        self._server.close()

    def status(self) -> str:
        """Return the latest line for `systemctl status`."""
        lines = [one for one in self.received if one.startswith("STATUS=")]
        return lines[-1].removeprefix("STATUS=")

    def watchdog_count(self) -> int:
        """Return how often the daemon has fed the watchdog."""
        return self.received.count("WATCHDOG=1")

    def _read(self) -> None:
        while message := self._server.recv(4096):
            self.received.append(message.decode("ascii"))
