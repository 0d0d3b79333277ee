"""Distinguish a hung server from one that has too little CPU time or too many queries.

A hung server does nothing. A server with too many queries works without a pause, and a server on a
busy host waits for a CPU: neither is dead, however long it is silent. But a server that works,
answers nothing and does not have too many queries is in an endless loop. And a server that reads no
query does not work on queries at all: its queue overflows because it does not read from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MUCH: Final = 0.5
"""The share of the silence that threads must have run or waited to explain it."""
_ENOUGH: Final = 0.01
"""Seconds of CPU time in which any server can answer a few queries."""
_AT_WORK: Final = 8
"""Datagrams read during the silence that show that a server is at work.

Fewer may be replies to this process. With many servers on this host there may be more replies to
this process: then the check decides.
"""
_MODULUS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Activity:
    """What the kernel has counted for a server up to one moment."""

    at: float
    """Monotonic seconds."""
    threads: Mapping[int, tuple[float, float]]
    """By known thread: the seconds it has run, and the seconds it has waited to run.

    The kernel counts a wait when it ends; `runnable` shows a wait that has not ended.
    """
    runnable: bool
    """One of the threads runs, or could run, now."""
    drops: Mapping[int, int]
    """By inode of a socket: datagrams dropped, nearly all by a full queue, modulo 2^32."""
    reads: int | None
    """Datagrams that all programs of this network namespace have read; None if unknown."""


def explain_silence(before: Activity, after: Activity) -> str:
    """Return why a server that is not hung could not answer in between; empty if nothing does.

    If the processes or the datagrams read are unknown, the server gets the benefit of the doubt: an
    overflow of its queue explains the silence, if the server may have read from it.
    """
    known = before.threads.keys() & after.threads.keys()
    ran = sum(after.threads[one][0] - before.threads[one][0] for one in known)
    waited = sum(after.threads[one][1] - before.threads[one][1] for one in known)
    much = _MUCH * (after.at - before.at)
    reads = _reads(before, after)
    waits = waited >= much or after.runnable
    if (waits and ran < _ENOUGH) or (waited >= much and reads):
        return "its processes wait for a CPU"
    busy = ran + waited >= much or after.runnable or not known
    if busy and reads and _drops(before, after):
        return "it gets more queries than it can answer"
    return ""


def _reads(before: Activity, after: Activity) -> bool:
    if before.reads is None or after.reads is None:
        return True
    return (after.reads - before.reads) % _MODULUS >= _AT_WORK


def _drops(before: Activity, after: Activity) -> bool:
    known = before.drops.keys() & after.drops.keys()
    return any((after.drops[one] - before.drops[one]) % _MODULUS for one in known)
