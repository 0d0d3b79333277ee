"""Make and find the line in the operator's bird.conf that includes our file.

The config is read as BIRD reads it: an include begins its line, and does not count in a comment.
"""

from __future__ import annotations

import re
from pathlib import Path

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.system import files

_DEEPEST = 8  # how deep BIRD follows includes
_BRACKETS = re.compile(r"[\[\]]")
_INCLUDE = re.compile(r'[ \t]*include[ \t]*"([^"\n]*)"[ \t]*;[ \t]*(.*)')
# No comment begins inside the first group.
_COMMENT = re.compile(r'("[^"\n]*"|#[^\n]*)|/\*.*?(?:\*/|\Z)', re.DOTALL)
_NOT_LINE_FEED = re.compile(r"[^\n]")


def include_line(file: Path) -> str:
    """Return the line for the operator's bird.conf.

    The brackets make the name of the directory a pattern. A pattern may match nothing, while a
    literal include of a missing file keeps BIRD from starting.
    """
    directory = str(file.parent)
    return f'include "{directory[:-1]}[{directory[-1]}]/{file.name}";'


def including(bird_conf: str, file: Path) -> dict[int, bool]:
    """Return the lines with our include, or one with other brackets: number -> stands alone.

    Lines are counted from 0, and only a line feed ends a line. An include with a comment up to the
    end of the line stands alone.
    """
    plain = _BRACKETS.sub("", str(file))
    found = {}
    for number, line in enumerate(_COMMENT.sub(_starred, bird_conf).split("\n")):
        include = _INCLUDE.match(line)
        if include and _BRACKETS.sub("", include[1]) == plain:
            found[number] = not include[2].partition("#")[0].strip()
    return found


def includes(bird_conf: Path, file: Path, *, depth: int = _DEEPEST) -> bool:
    """Return whether bird.conf has our include line, or a file that it includes has it.

    A file that cannot be read includes nothing.
    """
    try:
        text = files.read(bird_conf) or ""
    except AnycastRoutedError:
        return False
    if including(text, file):
        return True
    others = (_INCLUDE.match(line) for line in _COMMENT.sub(_starred, text).split("\n"))
    # A pattern without "/" in front is relative to the directory of the file that has it.
    patterns = [bird_conf.parent / other[1] for other in others if other]
    found = (one for pattern in patterns for one in sorted(Path("/").glob(str(pattern)[1:] or ".")))
    return depth > 0 and any(includes(one, file, depth=depth - 1) for one in found)


def _starred(found: re.Match[str]) -> str:
    return found[1] or _NOT_LINE_FEED.sub("*", found[0])
