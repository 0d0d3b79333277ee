"""What the demo prints: headings, commands with their real output, tables. Plain, aligned text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_INDENT = "   "


class Paper:
    """Lines on a stream, each visible at once. Bold on a terminal, unless NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bold = stream.isatty() and not os.environ.get("NO_COLOR")

    def lines(self, *lines: str) -> None:
        """Print lines as they are."""
        for line in lines:
            self._stream.write(f"{line.rstrip()}\n")
        self._stream.flush()

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.lines("", self._loud(text))

    def say(self, *lines: str) -> None:
        """Print lines below a heading."""
        self.lines(*(f"{_INDENT}{line}" for line in lines))

    def command(self, prompt: str, command: str, output: str) -> None:
        """Print a command as it is typed at `prompt`, and what it said."""
        self.say(f"{prompt} {self._loud(command)}", *output.rstrip().splitlines())

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print aligned rows below a line of names. Cells that are numbers stand on the right."""
        table = [list(head), *(list(row) for row in rows)]
        widths = [max(len(row[n]) for row in table) for n in range(len(head))]
        numeric = [all(row[n].isdecimal() for row in rows) for n in range(len(head))]
        for number, row in enumerate(table):
            cells = zip(row, widths, numeric, strict=True)
            line = "  ".join(
                cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells
            ).rstrip()
            self.lines(line if number else self._loud(line))

    def _loud(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self._bold else text


def duration(seconds: float) -> str:
    """`0.42 s` or `12.3 s`."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - layout
