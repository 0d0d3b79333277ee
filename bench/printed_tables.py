"""Read the figures back from the printed tables of `bench.failover` and `bench.apply`.

The rows are the same in older trees; only names of columns that are not read here have changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES: Final = ("killed", "hung", "SERVFAIL")
_STARTS = ("sessions up", "from nothing")
_SPREAD = re.compile(r"([\d,.]+) \(([\d,.]+) / ([\d,.]+)\)")  # median (min / p95)
_NO_OP = re.compile(r"^(bird|frr) no-op (.*)$", re.MULTILINE)


class Figure(NamedTuple):
    """One printed figure, in milliseconds."""

    median: float
    p95: float


def read_failover(text: str) -> dict[str, Figure]:
    """Return the figures in the output of `bench.failover`, by name."""
    found: dict[str, Figure] = {}
    for head, *rows in _markdown_tables(text):
        for row in rows:
            # Of two columns with the same name the first one counts.
            cells = dict(reversed(list(zip(head, row, strict=False))))
            if {"case", "median", "p95"} <= cells.keys() and row[0].endswith(CASES):
                found[row[0]] = Figure(_number(cells["median"]), _number(cells["p95"]))
            for start in _STARTS:
                if spread := _SPREAD.fullmatch(cells.get(start, "")):
                    found[f"{row[0]}: start to announced, {start}"] = _figure(spread)
    return found


def read_apply(text: str) -> dict[str, Figure]:
    """Return the figures of the no-op in the output of `bench.apply`, by name.

    Its row has four spreads: wall-clock time of apply and of the imports, CPU time of both.
    """
    found: dict[str, Figure] = {}
    for router, rest in _NO_OP.findall(text):
        spreads = list(_SPREAD.finditer(rest))
        if len(spreads) == 4:  # noqa: PLR2004 - see above
            found[f"{router.upper()}: no-op apply, wall"] = _figure(spreads[0])
            found[f"{router.upper()}: no-op apply, CPU"] = _figure(spreads[2])
    return found


def _markdown_tables(text: str) -> Iterator[list[list[str]]]:
    """Yield each table as its rows of cells, without the rule below the head."""
    table: list[list[str]] = []
    for line in (*text.splitlines(), ""):
        if line.startswith("| "):
            table.append([cell.strip() for cell in line.strip("| ").split(" | ")])
        elif table:
            yield [table[0], *table[2:]]
            table = []


def _figure(spread: re.Match[str]) -> Figure:
    return Figure(_number(spread[1]), _number(spread[3]))


def _number(text: str) -> float:
    return float(text.replace(",", ""))
