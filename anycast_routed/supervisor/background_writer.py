"""Write the daemon's files in the background, so that a hanging disk never delays the daemon."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError, CannotWriteError
from anycast_routed.system.threads import in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_HUNG = 3.0  # seconds after which a write is a problem


class BackgroundWriter:
    """Writes to one place, one write after another, each in a daemon thread.

    At most `most` writes wait; a newer one replaces the oldest. `wrote` is called in the event
    loop with the result of each.
    """

    def __init__(
        self, what: str, most: int, wrote: Callable[[str, AnycastRoutedError | None], None]
    ) -> None:
        self._what = what
        self._wrote = wrote
        self._waiting: deque[Callable[[], None]] = deque(maxlen=most)
        self._since: float | None = None
        """When the write under way began (monotonic); None if there is none."""
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, write: Callable[[], None]) -> None:
        """Queue a write."""
        self._waiting.append(write)
        self._next()

    def look(self) -> None:
        """Report a write that has been under way for too long."""
        if self._since is not None and time.monotonic() - self._since >= _HUNG:
            message = f"cannot write the {self._what}: its file system does not answer"
            hint = "it is frozen (fsfreeze), or its server is down; nothing else waits for it"
            self._wrote(self._what, CannotWriteError(message, hint=hint))

    async def finished(self) -> None:
        """Wait until all is written."""
        await self._idle.wait()

    def _next(self) -> None:
        if self._since is not None or not self._waiting:
            return
        try:
            writing = in_daemon_thread(self._waiting.popleft())
        except AnycastRoutedError as error:
            self._wrote(self._what, error)
            return
        self._since = time.monotonic()
        self._idle.clear()
        writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._since = None
        if not writing.cancelled():
            error = writing.exception()
            if error is not None and not isinstance(error, AnycastRoutedError):
                # No failed write may stop the daemon.
                error = CannotWriteError(f"cannot write the {self._what}: {error!r}")
            self._wrote(self._what, error)
        self._next()
        if self._since is None:
            self._idle.set()
