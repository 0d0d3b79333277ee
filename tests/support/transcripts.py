"""Transcripts in the documents: read the commands, and compare their output with the document."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VOLATILE = (
    (re.compile(r"\b\d+(\.\d+)? (ms|s)\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "DATE"),
    (re.compile(r"\bLast update: .*"), "Last update: DATE"),
    (re.compile(r"\b(PID|process) \d+\b"), r"\1 NUMBER"),
    (re.compile(r"\b(BIRD|FRR) \d+(\.\d+)+"), r"\1 VERSION"),
    (re.compile(r" +"), " "),  # a shorter time moves the columns after it
)
_PEERS = re.compile(r"\b\d+(?:\.\d+){3}(?:, \d+(?:\.\d+){3})+\b")


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a transcript with the output that the transcript shows for it."""
    starts = [match.start() for match in re.finditer(r"^\$ ", text, re.MULTILINE)]
    for start, end in pairwise([*starts, len(text)]):
        command, _, shown = text[start:end].partition("\n")
        yield command.removeprefix("$ "), shown


def shows(output: str, shown: str) -> bool:
    """Return whether the output is what the transcript shows.

    Lines are compared one by one, without times, dates, PIDs and versions. A line `...` of the
    transcript stands for any number of lines.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(f"{without_volatile(line)}\n")
        for line in shown.splitlines()
    )
    lines = "".join(f"{without_volatile(line)}\n" for line in output.splitlines())
    return bool(re.fullmatch(pattern, lines))


def assert_shows(output: str, shown: str, command: str) -> None:
    """Assert that the output is what the transcript shows; the error has both texts."""
    assert shows(output, shown), f"$ {command}\n{output}\n--- the document has:\n{shown}"


def without_volatile(line: str) -> str:
    """Mask times, dates, PIDs and versions; sort lists of peers, whose order is the router's."""
    for volatile, name in _VOLATILE:
        line = volatile.sub(name, line)
    return _PEERS.sub(lambda peers: ", ".join(sorted(peers.group().split(", "))), line)
