"""Series of measurements, and the tables that show them."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Series:
    """Repeated measurements of one duration, in seconds."""

    seconds: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """Add one measurement."""
        self.seconds.append(seconds)

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        """The smallest value, in seconds: the one least disturbed by other processes."""
        return min(self.seconds)

    @property
    def p95(self) -> float:
        """The 95th percentile within the sample, in seconds; near the maximum in small samples."""
        if len(self.seconds) == 1:
            return self.seconds[0]
        return statistics.quantiles(self.seconds, n=20, method="inclusive")[-1]

    @property
    def maximum(self) -> float:
        """The largest value, in seconds."""
        return max(self.seconds)

    def spread(self) -> str:
        """Return `median (min / p95)` in milliseconds."""
        figures = (self.median, self.minimum, self.p95)
        median, minimum, p95 = (milliseconds(one) for one in figures)
        return f"{median} ({minimum} / {p95})"


@dataclass
class LostQuestions:
    """How many DNS questions were lost at each occurrence of one kind of event."""

    event: str
    questions: list[int]

    def row(self) -> list[str]:
        """Return the table row: event, occurrences, median and maximum of lost questions."""
        ordered = sorted(self.questions)
        median = ordered[len(ordered) // 2]
        return [self.event, str(len(ordered)), str(median), str(ordered[-1])]


def milliseconds(seconds: float) -> str:
    """Format seconds as milliseconds; with one decimal below 10 ms."""
    digits = 1 if abs(seconds) < 0.01 else 0  # noqa: PLR2004 - 10 ms
    return f"{seconds * 1000:,.{digits}f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column left-aligned, the others right-aligned."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain-text table: the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "  ".join(cells).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(head), rule, *map(line, rows)])


def machine() -> str:
    """Return one line that describes this machine and its Python."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, {system}, "
        f"Python {platform.python_version()}"
    )
