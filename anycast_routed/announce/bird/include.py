"""The one line of the operator's bird.conf that is for us: what it is, and where it stands.

It is read as BIRD reads it: an include begins its line, and one inside a comment is none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BRACKETS = re.compile(r"[\[\]]")
_INCLUDE = re.compile(r'[ \t]*include[ \t]*"([^"\n]*)"[ \t]*;[ \t]*(.*)')
# The first group is what no comment begins in.
_COMMENT = re.compile(r'("[^"\n]*"|#[^\n]*)|/\*.*?(?:\*/|\Z)', re.DOTALL)
_NOT_LINE_FEED = re.compile(r"[^\n]")


def include_line(file: Path) -> str:
    """Return the one line for the operator's bird.conf.

    The brackets make the folder's name a pattern, and a pattern that matches nothing is fine,
    while a literal include of a missing file keeps BIRD from starting.
    """
    folder = str(file.parent)
    return f'include "{folder[:-1]}[{folder[-1]}]/{file.name}";'


def including(bird_conf: str, file: Path) -> dict[int, bool]:
    """Return which lines have our include, or one with other brackets, and whether it alone.

    They are counted from 0, with a line feed as the only end of a line. A comment up to that end
    may follow.
    """
    plain = _BRACKETS.sub("", str(file))
    found = {}
    for number, line in enumerate(_COMMENT.sub(_starred, bird_conf).split("\n")):
        include = _INCLUDE.match(line)
        if include and _BRACKETS.sub("", include[1]) == plain:
            found[number] = not include[2].partition("#")[0].strip()
    return found


def includes(bird_conf: str, file: Path) -> bool:
    """Tell whether the operator's bird.conf has our include line, or one with other brackets."""
    return bool(including(bird_conf, file))


def _starred(found: re.Match[str]) -> str:
    return found[1] or _NOT_LINE_FEED.sub("*", found[0])
