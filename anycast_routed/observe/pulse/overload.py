"""Whether a server that is silent has hung, or merely has too little time.

A hung one does nothing. One that is asked too much works without a pause, and one on a busy host
waits for a processor; neither is dead, however long it is silent. But one that works, answers
nothing and is not asked too much goes round in circles; and one that reads no question is not at
work at all: its queue overflows because nobody empties it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MUCH: Final = 0.5
"""The share of a silence from which on it was spent on something."""
_ENOUGH: Final = 0.01
"""Seconds in which any server can answer a few questions."""
_AT_WORK: Final = 8
"""Datagrams read in a silence from which on a server is at work; fewer are the replies to us.

With many servers here the replies to us may be as many: then the check has the last word.
"""
_MODULUS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Effort:
    """What the kernel has counted of a server until one moment."""

    at: float
    """Monotonic seconds."""
    threads: Mapping[int, tuple[float, float]]
    """Those that are known: how long each has run, and how long it has waited to run, in seconds.

    The kernel counts a wait when it ends; of one that lasts we only know that it does.
    """
    runnable: bool
    """One of them runs, or could, now."""
    drops: Mapping[int, int]
    """By socket, its inode: datagrams that it lost, nearly all to a full queue, modulo 2^32."""
    reads: int | None
    """Datagrams that anyone in this network namespace has read; None where it isn't told."""


def excuse(before: Effort, after: Effort) -> str:
    """Say what kept a server from answering between the two; empty when nothing did.

    Where its processes are unknown, or who reads, the benefit of the doubt is the server's: its
    queue's overflow is enough, if somebody may have read from it.
    """
    both = before.threads.keys() & after.threads.keys()
    ran = sum(after.threads[one][0] - before.threads[one][0] for one in both)
    waited = sum(after.threads[one][1] - before.threads[one][1] for one in both)
    much = _MUCH * (after.at - before.at)
    reading = _reads(before, after)
    waiting = waited >= much or after.runnable
    if (waiting and ran < _ENOUGH) or (waited >= much and reading):
        return "its processes wait for a processor"
    busy = ran + waited >= much or after.runnable or not both
    if busy and reading and _loses(before, after):
        return "it is asked more than it can take"
    return ""


def _reads(before: Effort, after: Effort) -> bool:
    if before.reads is None or after.reads is None:
        return True
    return (after.reads - before.reads) % _MODULUS >= _AT_WORK


def _loses(before: Effort, after: Effort) -> bool:
    both = before.drops.keys() & after.drops.keys()
    return any((after.drops[one] - before.drops[one]) % _MODULUS for one in both)
