"""Progress and failures of a benchmark, on stderr; stdout has the tables only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anycast_routed.errors import AnycastRoutedError


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"  {text}", file=sys.stderr, flush=True)


def report_failure(what: str, error: AnycastRoutedError) -> None:
    """Print which measurement failed and the lab's report; the benchmark then continues."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    say(f"FAILED: {what}: {error}\n{notes}")
