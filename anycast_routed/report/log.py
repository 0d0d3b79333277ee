"""What the daemon says while it runs: a constant text, then the facts as fields."""

from __future__ import annotations

import contextlib
import io
import os
import select
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, TextIO

from anycast_routed.report.text import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 2000  # characters of a line; what a pipe takes whole is more than that: pipe(7)


class Level(IntEnum):
    """The priorities of syslog(3) that we use."""

    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


class Log:
    """Lines on a stream, as `withdrawn prefix=10.10.10.10/32 why="dns is down: SERVFAIL"`.

    In front stands the priority where the stream is the journal (sd-daemon(3)), and else the time.
    A line that cannot be written at once, because the stream is closed, the disk full or the
    reader asleep, is forgotten: nothing here raises or waits. Fields that are None are left out.
    `most` is the least urgent level that is written.
    """

    def __init__(
        self,
        stream: TextIO | None,
        environ: Mapping[str, str] = os.environ,
        *,
        most: Level = Level.INFO,
    ) -> None:
        self._stream = stream
        self._most = most
        self._to_journal = _is_journal(stream, environ.get("JOURNAL_STREAM", ""))

    def debug(self, text: str, /, **fields: object) -> None:
        """Say what only someone who looks for a fault wants to know."""
        self._say(Level.DEBUG, text, fields)

    def info(self, text: str, /, **fields: object) -> None:
        """Say what has changed."""
        self._say(Level.INFO, text, fields)

    def warning(self, text: str, /, **fields: object) -> None:
        """Say what the operator should look at, while we go on."""
        self._say(Level.WARNING, text, fields)

    def error(self, text: str, /, **fields: object) -> None:
        """Say what keeps us from our job."""
        self._say(Level.ERROR, text, fields)

    def _say(self, level: Level, text: str, fields: Mapping[str, object]) -> None:
        if level > self._most:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        words = [text, *(_field(*one) for one in fields.items() if one[1] is not None)]
        line = " ".join(words)[:_LONGEST]
        # ValueError: Python has closed the stream.
        with contextlib.suppress(OSError, ValueError):
            _write(self._stream, f"<{level}>{line}\n" if self._to_journal else f"{time} {line}\n")


def _field(name: str, value: object) -> str:
    shown = safe(f"{value:.6g}" if isinstance(value, float) else str(value)).replace('"', '\\"')
    return f'{name}="{shown}"' if not shown or set(shown) & set(' "=\\') else f"{name}={shown}"


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None:  # Python's sys.stderr, when file descriptor 2 was closed at its start.
        raise BrokenPipeError
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        stream.write(line)  # It is in memory.
        return
    # A stopped reader must not stop us, and its O_NONBLOCK would be everyone's who has the stream.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    data = line.encode("ascii", "backslashreplace")
    if os.write(descriptor, data) < len(data):
        raise BlockingIOError


def _is_journal(stream: TextIO | None, wanted: str) -> bool:
    """Whether the stream is the one that systemd has connected: systemd.exec(5), JOURNAL_STREAM."""
    try:
        there = os.fstat(stream.fileno()) if stream else None
    except (OSError, ValueError):
        return False
    return there is not None and f"{there.st_dev}:{there.st_ino}" == wanted
