"""Draw distributions of times as an SVG figure: one row per series, on a logarithmic axis.

The same values give the same bytes. The figure has its own background: in a README its colors
follow the dark mode of the reader's system, which the page may not do.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 800  # pixels, at most the width in which GitHub shows a figure
_LEFT, _RIGHT = 236, 648  # ends of the axis
_MEDIAN, _WORST = 712, 780  # right edges of the two columns of numbers
_TOP, _ROW, _BELOW = 92, 58, 44
_DOT = 2.6  # radius
_PITCH = 3.0  # pixels between the columns into which dots are sorted
_COLUMN = 19.0  # greatest height of a column in pixels, above and below the middle of its row
_BOX = 9.0  # half the height of a box
_DECADE = 3  # ticks
_FEW = 8  # number of ticks up to which each tick has a label

_STYLE = """\
text { font: 14px system-ui, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif }
text { fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.small { font-size: 12.5px; fill: #59636e }
.figure { text-anchor: end; font-variant-numeric: tabular-nums }
.tick { text-anchor: middle }
.panel { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #d1d9e0 }
.minor { stroke: #eff2f5 }
.dot { fill: #0969da; fill-opacity: .45 }
.box { fill: none; stroke: #0a3069; stroke-width: 1.5 }
.mid { stroke: #0a3069; stroke-width: 3 }
.quiet .dot { fill: #818b98 }
.quiet .box, .quiet .mid { stroke: #454c54 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.panel { fill: #0d1117; stroke: #3d444d }
.grid { stroke: #3d444d }
.minor { stroke: #1f252d }
.dot { fill: #4493f8 }
.box, .mid { stroke: #c2e0ff }
.quiet .dot { fill: #9198a1 }
.quiet .box, .quiet .mid { stroke: #d1d7e0 }
}"""


@dataclass(frozen=True, slots=True)
class Row:
    """One series, in milliseconds; `note` is a second, smaller line below its label.

    A `quiet` row is gray: it is shown for comparison only.
    """

    label: str
    milliseconds: Sequence[float]
    note: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis; its ticks are 1, 2 and 5 of each decade, and both ends are ticks."""

    ticks: Sequence[float]

    @classmethod
    def over(cls, values: Sequence[float]) -> Axis:
        """Return the shortest axis, at least a decade long, for all values (milliseconds)."""
        least, most = min(values), max(values)
        decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 2)
        ticks = [times * 10.0**decade for decade in decades for times in (1, 2, 5)]
        first = max(index for index, tick in enumerate(ticks) if tick <= least)
        last = min(index for index, tick in enumerate(ticks) if tick >= most)
        return cls(ticks[first : max(last, first + _DECADE) + 1])

    def at(self, milliseconds: float) -> float:
        """Return the position of a time, in pixels from the left."""
        low, high = (math.log10(tick) for tick in (self.ticks[0], self.ticks[-1]))
        return _LEFT + (math.log10(milliseconds) - low) / (high - low) * (_RIGHT - _LEFT)


def figure(title: str, subtitle: str, rows: Sequence[Row]) -> str:
    """Return the figure: each row with all its values, their quartiles, median and maximum.

    Raises:
        ValueError: there are no values, or a time is not finite or not above 0.
    """
    values = [value for row in rows for value in row.milliseconds]
    if not all(row.milliseconds for row in rows) or not values:
        message = "a row without values"
        raise ValueError(message)
    if not all(0 < value < math.inf for value in values):
        message = "a time that is not finite or not above 0"
        raise ValueError(message)
    axis = Axis.over(values)
    height = _TOP + _ROW * len(rows) + _BELOW
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape('; '.join(map(_words, rows)))}</desc>",
        f"<style>\n{_STYLE}\n</style>",
        f'<rect class="panel" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="20" y="34">{escape(title)}</text>',
        f'<text class="small" x="20" y="56">{escape(subtitle)}</text>',
        f'<text class="small figure" x="{_MEDIAN}" y="{_TOP - 8}">median</text>',
        f'<text class="small figure" x="{_WORST}" y="{_TOP - 8}">worst</text>',
        *_grid(axis, height - _BELOW),
    ]
    for index, row in enumerate(rows):
        lines += _row(row, axis, _TOP + _ROW * index + _ROW / 2)
    return "\n".join([*lines, "</svg>", ""])


def duration(milliseconds: float) -> str:
    """Format a time with two digits: `0.8 ms`, `21 ms`, `340 ms`, `1.2 s`, `30 s`."""
    if not milliseconds:
        return "0 ms"
    digits = 1 - math.floor(math.log10(milliseconds))
    rounded = round(milliseconds, digits)
    shown, unit = (rounded, "ms") if rounded < 1000 else (rounded / 1000, "s")  # noqa: PLR2004
    return f"{shown:.12g} {unit}"


def _words(row: Row) -> str:
    note = f" ({row.note})" if row.note else ""
    middle = statistics.median(row.milliseconds)
    count = len(row.milliseconds)
    worst = duration(max(row.milliseconds))
    return f"{row.label}{note}: median {duration(middle)}, worst {worst}, of {count}"


def _grid(axis: Axis, bottom: float) -> Iterator[str]:
    for tick in axis.ticks:
        x = _px(axis.at(tick))
        text = duration(tick)
        whole = text.startswith("1")  # of its decade: 1, 10, 100
        kind = "grid" if whole else "minor"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_px(bottom)}"/>'
        if whole or len(axis.ticks) <= _FEW:
            yield f'<text class="small tick" x="{x}" y="{_px(bottom + 22)}">{text}</text>'


def _row(row: Row, axis: Axis, middle: float) -> Iterator[str]:
    yield f'<g class="{"quiet" if row.quiet else "main"}">'
    label_y = middle - 2 if row.note else middle + 5
    yield f'<text x="20" y="{_px(label_y)}">{escape(row.label)}</text>'
    if row.note:
        yield f'<text class="small" x="20" y="{_px(middle + 16)}">{escape(row.note)}</text>'
    for x, y in _spread_dots([axis.at(value) for value in sorted(row.milliseconds)]):
        yield f'<circle class="dot" cx="{_px(x)}" cy="{_px(middle + y)}" r="{_DOT}"/>'
    first, median, third = _quartiles(row.milliseconds)
    left, right, mid = axis.at(first), axis.at(third), axis.at(median)
    top = _px(middle - _BOX)
    size = f'width="{_px(right - left)}" height="{_px(2 * _BOX)}"'
    yield f'<rect class="box" x="{_px(left)}" y="{top}" {size} rx="2"/>'
    ends = f'y1="{top}" y2="{_px(middle + _BOX)}"'
    yield f'<line class="mid" x1="{_px(mid)}" x2="{_px(mid)}" {ends}/>'
    for x, value in ((_MEDIAN, median), (_WORST, max(row.milliseconds))):
        yield f'<text class="figure" x="{x}" y="{_px(middle + 5)}">{duration(value)}</text>'
    yield "</g>"


def _spread_dots(places: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield the position of each dot; dots of the same column lie above and below each other."""
    columns: dict[int, list[float]] = defaultdict(list)
    for x in places:
        columns[round(x / _PITCH)].append(x)
    for column in columns.values():
        step = min(_PITCH + 1.0, 2 * _COLUMN / len(column))
        for index, x in enumerate(column):
            yield x, (index - (len(column) - 1) / 2) * step


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third


def _px(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")
