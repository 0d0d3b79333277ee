"""Whether a server that is silent has hung, or merely has too little time.

A hung one does nothing. One that is asked too much works without a pause, and one on a busy host
waits for a processor; neither is dead, however long it is silent. But one that works for long and
answers nothing, although it is not asked too much, goes round in circles, and that is a hang.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MUCH: Final = 0.5
"""The share of a silence from which on it was spent on something."""
_ENOUGH: Final = 0.01
"""Seconds in which any server can answer a few questions."""
_MODULUS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Effort:
    """What the kernel has counted of a server until one moment."""

    at: float
    """Monotonic seconds."""
    drops: int
    """Questions over UDP that found the queue full, modulo 2^32."""
    threads: Mapping[int, tuple[float, float]]
    """Those that are known: how long each has run, and how long it has waited to run, in seconds.

    The kernel counts a wait when it ends; of one that lasts we only know that it does.
    """
    runnable: bool
    """One of them runs, or could, now."""


def excuse(before: Effort, after: Effort) -> str:
    """Say what kept a server from answering between the two; empty when nothing did.

    Where its processes are unknown, an overflow of its queue is enough.
    """
    both = before.threads.keys() & after.threads.keys()
    ran = sum(after.threads[one][0] - before.threads[one][0] for one in both)
    waited = sum(after.threads[one][1] - before.threads[one][1] for one in both)
    much = _MUCH * (after.at - before.at)
    if ran < _ENOUGH and (waited >= much or after.runnable):
        return "its processes wait for a processor"
    busy = ran + waited >= much or after.runnable or not both
    if busy and (after.drops - before.drops) % _MODULUS:
        return "it is asked more than it can take"
    return ""
