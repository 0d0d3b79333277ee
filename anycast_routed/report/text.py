"""Text for a terminal: harmless, aligned, short."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LONGEST = 200  # characters of a text that comes from outside


def safe(text: str, *, most: int = _LONGEST) -> str:
    """Make a text from outside harmless for a terminal: printable ASCII, of bounded length."""
    shown = text.encode("unicode_escape", "backslashreplace").decode("ascii")
    return shown if len(shown) <= most else f"{shown[:most]}..."


def printable(message: str) -> str:
    """Make a message with words from outside harmless for a terminal.

    Line feeds and printable characters of any language stay; all others are escaped.
    """
    return "".join(one if one.isprintable() or one == "\n" else safe(one) for one in message)


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Align the cells of all rows; an empty column takes no room, and no line ends in blanks."""
    table = [list(row) for row in rows]
    widths = [
        max((len(row[index]) for row in table if index < len(row) - 1), default=0)
        for index in range(max((len(row) for row in table), default=0))
    ]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=False) if cell or width
        ).rstrip()
        for row in table
    ]


def duration(seconds: float) -> str:
    """Return `12 ms` or `1.21 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
