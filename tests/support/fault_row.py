"""One row of the table of faults."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One fault; `later` says what a later version adds."""

    fault: str
    required: str
    later: str = ""
