"""What must be done before the program is loaded, so this imports next to nothing.

A daemon that is told to stop while it starts must not just die: its predecessor's announcements
would stay. And SIGHUP, which makes it read its config, would kill it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VALUES = frozenset({"--config", "--router"})
"""The options of every verb that take a value."""

_told: list[int] = []
"""The signals that have told us to stop."""


def take_signals(arguments: Iterable[str]) -> None:
    """From now on remember what tells a daemon to stop; any other verb keeps its signals."""
    if _verb(arguments) == "daemon":
        # Not SIG_IGN, which the programs that we start would inherit.
        signal.signal(signal.SIGHUP, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _: _told.append(got))


def then(stop: Callable[[], None]) -> None:
    """Have `stop` called when we are told to stop, and now if we have been."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    if _told:
        stop()


def _verb(arguments: Iterable[str]) -> str:
    waiting = iter(arguments)
    for argument in waiting:
        if argument in VALUES:
            next(waiting, None)
        elif not argument.startswith("-"):
            return argument
    return ""
