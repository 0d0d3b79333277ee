"""Progress and failures of a benchmark, on stderr; stdout has the tables only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, TypeVar

from anycast_routed.errors import AnycastRoutedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Measured(Protocol):
    """The figures of one case."""

    def row(self) -> list[str]:
        """Return its row of the table."""
        ...


Figures = TypeVar("Figures", bound=Measured)


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"  {text}", file=sys.stderr, flush=True)


def report_failure(what: str, error: AnycastRoutedError) -> None:
    """Print which measurement failed and the lab's report; the benchmark then continues."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    say(f"FAILED: {what}: {error}\n{notes}")


def measured(what: str, measure: Callable[[], Figures]) -> list[Figures]:
    """Measure one case, and print its row; return nothing if that fails, which is printed too."""
    try:
        found = measure()
    except AnycastRoutedError as error:
        report_failure(what, error)
        return []
    say(" | ".join(found.row()))
    return [found]
