"""Writes what the daemon tells, so that a disk that hangs never keeps it from its work."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError, CannotWriteError
from anycast_routed.system.threads import beside

if TYPE_CHECKING:
    from collections.abc import Callable

_HUNG = 3.0  # seconds after which a write is a problem


class Writer:
    """Writes to one place, one write after another, each in a thread beside the event loop.

    At most `most` writes wait: the oldest of them makes room for a newer one. `wrote` is told in
    the event loop how each has ended.
    """

    def __init__(
        self, what: str, most: int, wrote: Callable[[str, AnycastRoutedError | None], None]
    ) -> None:
        self._what = what
        self._wrote = wrote
        self._waiting: deque[Callable[[], None]] = deque(maxlen=most)
        self._since: float | None = None
        """Since when a write has been under way."""
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, write: Callable[[], None]) -> None:
        """Write this soon."""
        self._waiting.append(write)
        self._next()

    def look(self) -> None:
        """Tell of a write that has hung for a while."""
        if self._since is not None and time.monotonic() - self._since >= _HUNG:
            message = f"cannot write the {self._what}: its file system does not answer"
            hint = "it is frozen (fsfreeze), or its server is gone; nothing else waits for it"
            self._wrote(self._what, CannotWriteError(message, hint=hint))

    async def finished(self) -> None:
        """Wait until all is written."""
        await self._idle.wait()

    def _next(self) -> None:
        if self._since is not None or not self._waiting:
            return
        try:
            writing = beside(self._waiting.popleft())
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
                # Whatever it is, it is no reason to stop watching.
                error = CannotWriteError(f"cannot write the {self._what}: {error!r}")
            self._wrote(self._what, error)
        self._next()
        if self._since is None:
            self._idle.set()
