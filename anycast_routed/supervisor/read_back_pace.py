"""Decide when the router is read back next. All times are monotonic seconds."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anycast_routed.model import Readback

EVERY = 3.0
"""Seconds from one read-back to the next: drift is repaired within 5 s."""
_FRAGILE_EVERY = 15.0  # the same for a release that a question can crash
_UNDONE = 0.02  # seconds from the undo to the next step
# The operator may undo a trial at any time: our protocols are then as long before, enabled or not.
_ON_TRIAL_EVERY = 0.25
_FIRST_RETRY, _SLOWEST_RETRY = 0.2, 2.0
# Some releases export nothing for a while after a session comes up, unless they are asked something
# (`Version.silent_for`): for so long, and this many seconds more, the router is read more often.
_SESSION_CHANGED, _SESSION_CHANGED_EVERY = 2.0, 0.25


class ReadBackPace:
    """The time of the next step, from how the latest ones ended."""

    def __init__(self) -> None:
        self._retry = 0.0
        self._asking_often_until = 0.0
        self._undone_at = 0.0
        """When the router will have undone a trial of the operator."""

    def failed(self) -> None:
        """Take in that a step has failed: the next tries come soon, then more seldom."""
        self._retry = min(max(2 * self._retry, _FIRST_RETRY), _SLOWEST_RETRY)

    def done(
        self, before: Readback | None, after: Readback, undo_in: float | None, at: float
    ) -> None:
        """Take in a step that has ended at `at`: what the router showed before it and after it."""
        self._retry = 0.0
        if _sessions(after) != _sessions(before):
            self._asking_often_until = at + after.version.silent_for + _SESSION_CHANGED
        self._undone_at = at + (undo_in or inf) + _UNDONE

    def next(self, latest: Readback | None, at: float) -> float:
        """Return when the next read-back is due, if nothing happens before."""
        every = _SESSION_CHANGED_EVERY if at < self._asking_often_until else EVERY
        if latest is not None and latest.version.fragile:
            every = _FRAGILE_EVERY
        until = at + (self._retry or every)
        if at < self._undone_at < inf:
            until = min(until, self._undone_at, at + _ON_TRIAL_EVERY)
        return until


def _sessions(readback: Readback | None) -> frozenset[tuple[str, bool]]:
    sessions = readback.sessions if readback else ()
    return frozenset((one.name, one.established) for one in sessions)
