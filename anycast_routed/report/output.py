"""Print results for people and for programs: the only module that prints."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.state.documents import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from anycast_routed.model import Finding

_COLOURS = {"+": "32", "-": "31", "~": "33", "!": "35"}


@dataclass(frozen=True, slots=True)
class Output:
    """Standard output and standard error, as the options of the command line want them."""

    json: bool = False
    verbose: bool = False
    quiet: bool = False

    def say(self, lines: Iterable[str]) -> None:
        """Print the result for people, on stdout; nothing with `--json`."""
        if not self.json:
            for line in self.coloured(lines):
                print(line)

    def coloured(self, lines: Iterable[str]) -> Iterator[str]:
        """Colour the mark of each line, on a terminal only."""
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        for line in lines:
            code = _COLOURS.get(line[:1]) if colour else None
            yield f"\x1b[{code}m{line[0]}\x1b[0m{line[1:]}" if code else line

    def talk(self, lines: Iterable[str]) -> None:
        """Print what accompanies the result, on stderr; nothing with `-q`."""
        if not self.quiet:
            for line in lines:
                print(line, file=sys.stderr)

    def report(self, findings: Iterable[Finding]) -> None:
        """Print findings on stderr, each with its severity and code; nothing with `-q`."""
        self.talk(f"{one.severity}: {one} [{one.code}]" for one in findings)

    def emit(self, verb: str, **facts: object) -> None:
        """Print the result for programs, on stdout, with `--json` only."""
        if self.json:
            print(json.dumps(document(verb, **facts), indent=2))
