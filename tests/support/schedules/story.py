"""What happened during one schedule, for the message of a failure."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from tests.support.schedules.judges import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab.bgp_receiver import Event
    from tests.support.watched_site import Watched


class Story:
    """What happened during one schedule, for the message of a failure."""

    def __init__(self, watched: Watched) -> None:
        self.held = watched.peer.table()
        """The peer's table at the beginning."""
        self._watched = watched
        self._mark = watched.mark()
        self._begun = time.monotonic()
        self._steps: list[str] = []
        self._log_ends = {one.name: len(one.log().encode()) for one in watched.dns1.daemons}

    @contextlib.contextmanager
    def step(self, step: str) -> Iterator[None]:
        """Record when this step began, and how long it took."""
        begun = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - begun
            self._steps.append(f"{begun - self._begun:+8.3f} s  {step}, {took:.3f} s")

    def events(self) -> list[Event]:
        """Return the messages that the peer received."""
        return self._watched.peer.since(self._mark)

    def logs(self) -> list[str]:
        """Return what each anycast-routed process has logged."""
        new = {
            one.name: one.log(after=self._log_ends.get(one.name, 0))
            for one in self._watched.dns1.daemons
            if "/anycast-routed" in one.name
        }
        return [f"{name}:\n{log}" for name, log in new.items() if log]

    def lines(self) -> list[str]:
        """Return steps and messages by time, in seconds since the beginning, and the logs."""
        messages = [line_of(one, self._begun) for one in self.events()]
        return [*sorted([*self._steps, *messages], key=lambda line: float(line[:8])), *self.logs()]
