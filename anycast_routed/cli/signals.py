"""Signal handling that must be in place before the program loads; imports almost nothing.

A daemon that receives SIGTERM while it starts must still withdraw its predecessor's
announcements before it ends. SIGHUP, which makes it read its config, must not kill it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VALUE_OPTIONS = frozenset({"--config", "--router"})
"""The options of every verb that take a value."""

_received: list[int] = []
"""The stop signals received so far."""


def record_stop_signals(arguments: Iterable[str]) -> None:
    """Record SIGTERM and SIGINT and ignore SIGHUP, if the verb is `daemon`.

    All other verbs keep their default signal handlers.
    """
    if verb_of(arguments) == "daemon":
        # Not SIG_IGN: the programs that the daemon starts would inherit it.
        signal.signal(signal.SIGHUP, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _: _received.append(got))


def call_on_stop(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM or SIGINT, and at once if one of them was recorded before."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    if _received:
        stop()


def verb_of(arguments: Iterable[str]) -> str:
    """Return the verb of a command line; empty if there is none."""
    remaining = iter(arguments)
    for argument in remaining:
        if argument in VALUE_OPTIONS:
            next(remaining, None)
        elif not argument.startswith("-"):
            return argument
    return ""
