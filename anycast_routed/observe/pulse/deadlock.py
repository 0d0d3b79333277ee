"""Distinguish a deadlocked server from a silent one that will answer.

A server that reads much data again, waits for a disk or has too little CPU time is silent, and the
queues of its sockets keep the questions, which it answers later. A server in an endless loop looks
the same. Only a check, which waits longer, can decide about them. A deadlocked server does nothing
at all: none of its threads runs, and its queues only grow.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

_WAITS: Final = {"R": "its processes wait for a CPU", "D": "it waits in the kernel (state D)"}
"""By state of a thread (proc_pid_stat(5)): why it cannot answer now."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The receive queue of one socket."""

    waiting: int
    """Bytes of memory of the datagrams that nobody has read yet."""
    drops: int
    """Datagrams dropped so far, nearly all by a full queue, modulo 2^32."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What the kernel has counted for a server up to one moment."""

    ran: Mapping[int, int]
    """By process: nanoseconds for which its threads have run, those that have ended included."""
    queues: Mapping[int, Queue]
    """By inode of a socket."""


def explain_silence(before: Activity, after: Activity) -> str:
    """Return why a server that was silent in between may still answer; empty if nothing does.

    A server whose processes are unknown gets the benefit of the doubt.
    """
    if not after.ran:
        return "its processes are unknown"
    if after.ran != before.ran:
        more = any(
            after.queues[one].drops != before.queues[one].drops for one in _both(before, after)
        )
        return "it gets more queries than it can answer" if more else "its processes run"
    if not _only_grow(before, after):
        return "its queues do not fill up"
    return ""


def explain_states(states: Collection[str]) -> str:
    """Return why threads with these states, which did not run, may run later; empty if none may."""
    return next((reason for state, reason in _WAITS.items() if state in states), "")


def _only_grow(before: Activity, after: Activity) -> bool:
    """Return whether datagrams came into a queue, or did not fit, and none was taken."""
    pairs = [(before.queues[one], after.queues[one]) for one in _both(before, after)]
    return all(new.waiting >= old.waiting for old, new in pairs) and any(
        new.waiting > old.waiting or new.drops != old.drops for old, new in pairs
    )


def _both(before: Activity, after: Activity) -> Collection[int]:
    return before.queues.keys() & after.queues.keys()
