"""The condition of one server as far as the pulse knows, and the notices of its changes."""

import asyncio
from enum import Enum, auto
from typing import Final

from anycast_routed.observe.pulse.events import Notice, Server, Sign

_REFUSALS_APART: Final = 0.002
"""Two refusals at least this many seconds apart are proof; one alone may be a restart."""


class State(Enum):
    """What the evidence says of a server."""

    UP = auto()
    """There is no evidence against it."""
    SILENT = auto()
    """It does not answer, which proves nothing. It was reported as CHANGED, for a check."""
    DEAD = auto()
    """There was proof that it is gone or hung, and no answer since."""


class Condition:
    """The state of one server; each change of it becomes one notice."""

    def __init__(self, server: Server, notices: asyncio.Queue[Notice]) -> None:
        self.state = State.UP
        self._server = server
        self._notices = notices
        self._refused_at: float | None = None

    def answered(self, now: float) -> bool:
        """Take note of an answer; return True if the server was dead before."""
        was_dead = self.state is State.DEAD
        self.state, self._refused_at = State.UP, None
        if was_dead:
            self._report(Sign.ALIVE, "it answers again", now)
        return was_dead

    def changed(self, reason: str, at: float) -> None:
        """Report that the server should be checked now."""
        self._report(Sign.CHANGED, reason, at)

    def silent(self) -> None:
        """Leave the silent server to its check until it answers again."""
        self.state = State.SILENT

    def refused(self, now: float) -> float | None:
        """Take note of a refusal; return the time of the first if this one proves a death."""
        if self._refused_at is None:
            self._refused_at = now
        return self._refused_at if now - self._refused_at >= _REFUSALS_APART else None

    def died(self, reason: str, at: float) -> None:
        """Report the server as dead, with the time of the first evidence."""
        self.state, self._refused_at = State.DEAD, None
        self._report(Sign.DEAD, reason, at)

    def _report(self, sign: Sign, reason: str, at: float) -> None:
        self._notices.put_nowait(Notice(self._server, sign, reason, at))
