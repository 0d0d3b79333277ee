"""Transcripts in our documents: commands, what they show, and whether that is what was said."""

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
    """Give each command of a transcript with what is shown below it."""
    starts = [match.start() for match in re.finditer(r"^\$ ", text, re.MULTILINE)]
    for start, end in pairwise([*starts, len(text)]):
        command, _, shown = text[start:end].partition("\n")
        yield command.removeprefix("$ "), shown


def shows(said: str, shown: str) -> bool:
    """Compare line by line, less what differs from run to run; `...` is any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(f"{calm(line)}\n")
        for line in shown.splitlines()
    )
    return bool(re.fullmatch(pattern, "".join(f"{calm(line)}\n" for line in said.splitlines())))


def assert_shows(said: str, shown: str, command: str) -> None:
    """Assert that it shows this, and say both if not."""
    assert shows(said, shown), f"$ {command}\n{said}\n--- the document has:\n{shown}"


def calm(line: str) -> str:
    """Mask times and versions, and sort lists of peers: each router has its own order."""
    for volatile, name in _VOLATILE:
        line = volatile.sub(name, line)
    return _PEERS.sub(lambda peers: ", ".join(sorted(peers.group().split(", "))), line)
