"""The daemon's log: each line is a constant text, then the facts as fields."""

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
    """The priorities of syslog(3) that are used."""

    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


class Log:
    """Lines on a stream, such as `withdrawn prefix=10.10.10.10/32 why="dns is down: SERVFAIL"`.

    A line begins with its priority if the stream is the journal (sd-daemon(3)), else with the
    time. A line that cannot be written at once is dropped: the stream is closed, the disk is full
    or the reader does not read. Nothing here raises or waits. Fields that are None are left out.
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
        """Log a detail for debugging."""
        self._say(Level.DEBUG, text, fields)

    def info(self, text: str, /, **fields: object) -> None:
        """Log a change."""
        self._say(Level.INFO, text, fields)

    def warning(self, text: str, /, **fields: object) -> None:
        """Log what the operator should look at; the daemon works on."""
        self._say(Level.WARNING, text, fields)

    def error(self, text: str, /, **fields: object) -> None:
        """Log what keeps the daemon from its work."""
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
    if stream is None:  # Python's sys.stderr, if file descriptor 2 was closed at the start.
        raise BrokenPipeError
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        stream.write(line)  # A stream in memory, which has no descriptor.
        return
    # A stopped reader must not block the daemon; O_NONBLOCK would affect every user of it.
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    data = line.encode("ascii", "backslashreplace")
    if os.write(descriptor, data) < len(data):
        raise BlockingIOError


def _is_journal(stream: TextIO | None, wanted: str) -> bool:
    """Tell whether the stream goes to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        there = os.fstat(stream.fileno()) if stream else None
    except (OSError, ValueError):
        return False
    return there is not None and f"{there.st_dev}:{there.st_ino}" == wanted
