"""The output of the demo as plain text: headings, commands with their real output, tables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_INDENT = "   "


class Output:
    """Prints lines to a stream and flushes each. Bold on a terminal, unless NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bold = stream.isatty() and not os.environ.get("NO_COLOR")

    def lines(self, *lines: str) -> None:
        """Print lines unchanged, except for trailing spaces."""
        for line in lines:
            self._stream.write(f"{line.rstrip()}\n")
        self._stream.flush()

    def heading(self, text: str) -> None:
        """Print a heading."""
        self.lines("", self._in_bold(text))

    def indented(self, *lines: str) -> None:
        """Print indented lines below a heading."""
        self.lines(*(f"{_INDENT}{line}" for line in lines))

    def command(self, prompt: str, command: str, output: str) -> None:
        """Print a prompt, a command and the output of the command."""
        self.indented(f"{prompt} {self._in_bold(command)}", *output.rstrip().splitlines())

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print aligned rows below the column names. Columns of numbers are right-aligned."""
        table = [list(head), *(list(row) for row in rows)]
        widths = [max(len(row[n]) for row in table) for n in range(len(head))]
        numeric = [all(row[n].isdecimal() for row in rows) for n in range(len(head))]
        for number, row in enumerate(table):
            cells = zip(row, widths, numeric, strict=True)
            line = "  ".join(
                cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells
            ).rstrip()
            self.lines(line if number else self._in_bold(line))

    def _in_bold(self, text: str) -> str:
        return f"{_BOLD}{text}{_PLAIN}" if self._bold else text


def duration(seconds: float) -> str:
    """Return a duration as `0.42 s` or `12.3 s`."""
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - layout
