"""Series of measurements, and the plain aligned tables that they are printed in."""

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
    """Measurements of one thing, in seconds."""

    seconds: list[float] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """Take one more."""
        self.seconds.append(seconds)

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        """The smallest, in seconds: what other work on the machine has disturbed least."""
        return min(self.seconds)

    @property
    def p95(self) -> float:
        """The 95th percentile within the sample, in seconds; of few rounds nearly the largest."""
        if len(self.seconds) == 1:
            return self.seconds[0]
        return statistics.quantiles(self.seconds, n=20, method="inclusive")[-1]

    @property
    def most(self) -> float:
        """The largest, in seconds."""
        return max(self.seconds)

    def spread(self) -> str:
        """`median (min / p95)` in milliseconds."""
        figures = (self.median, self.least, self.p95)
        median, least, most = (milliseconds(one) for one in figures)
        return f"{median} ({least} / {most})"


def milliseconds(seconds: float) -> str:
    """Milliseconds, with a decimal where there is little else."""
    digits = 1 if abs(seconds) < 0.01 else 0  # noqa: PLR2004 - 10 ms
    return f"{seconds * 1000:,.{digits}f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as a table of Markdown: the first column to the left, figures to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in columns: the first to the left, figures to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "  ".join(cells).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(head), rule, *map(line, rows)])


def machine() -> str:
    """Say what this was measured on."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}, {system}, "
        f"Python {platform.python_version()}"
    )
