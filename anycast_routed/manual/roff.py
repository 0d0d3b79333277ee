"""Text as man(7) has it. A word between backticks is bold; each sentence begins a line."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from anycast_routed import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

_CODE = re.compile(r"`([^`]+)`")
_SENTENCE = re.compile(r"(?<=[a-z0-9)`][.?!]) (?=[A-Z`])")


def title(name: str, section: int, purpose: str, date: str) -> list[str]:
    """Begin a page, with its NAME."""
    head = f'.TH {name.upper()} {section} "{date}" "anycast\\-routed {__version__}"'
    return [
        '.\\" Made by python3 -m anycast_routed.manual; changes belong there.',
        head,
        # A word that is to be typed stays whole, and no line is stretched.
        ".nh",
        ".ad l",
        *heading("NAME"),
        f"{literal(name)} \\- {literal(purpose)}",
    ]


def heading(text: str) -> list[str]:
    """Begin a section."""
    return [f".SH {text}"]


def subheading(text: str) -> list[str]:
    """Begin a part of a section."""
    return [f'.SS "{literal(text)}"']


def paragraph(text: str) -> list[str]:
    """Set a paragraph."""
    return [".PP", *inline(text)]


def entry(tag: str, text: str, *more: str) -> list[str]:
    """Set an item of a list, with what it is and what there is to say of it."""
    below = [line for one in more for line in (".IP", *inline(one))]
    return [".TP", f"{bold(tag)}", *inline(text), *below]


def example(text: str) -> list[str]:
    """Set lines as they are."""
    lines = [_begin(literal(line)) for line in text.splitlines()]
    return [".PP", ".RS 4", ".EX", *lines, ".EE", ".RE"]


def inline(text: str) -> list[str]:
    """Set running text, a sentence a line."""
    sentences = _SENTENCE.sub("\n", " ".join(text.split())).split("\n")
    lines = (line for one in sentences for line in _wrap(_bold_code(one)))
    return [_begin(line) for line in lines]


def bold(text: str) -> str:
    """Set a tag: what is typed bold, what it stands for (`<path>`, `N`) slanted."""
    words = re.split(r"( |, )", text)
    return "".join(_tag_word(word) for word in words)


def literal(text: str) -> str:
    """Set text that means itself, hyphens that can be copied included."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")


def page(lines: Iterable[str]) -> str:
    """Return the whole page. A heading begins its first paragraph by itself."""
    text = "".join(f"{line}\n" for line in lines)
    return re.sub(r"^(\.S[HS] .*\n)\.PP\n", r"\1", text, flags=re.MULTILINE)


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False)


def _bold_code(text: str) -> str:
    parts = _CODE.split(text)
    return "".join(f"\\fB{literal(p)}\\fP" if at % 2 else literal(p) for at, p in enumerate(parts))


def _tag_word(word: str) -> str:
    if not word.strip(" ,"):
        return word
    if word.startswith("<") or word.strip("[].|").isupper():
        return f"\\fI{literal(word.strip('<>'))}\\fP"
    return f"\\fB{literal(word)}\\fP"


def _begin(line: str) -> str:
    # A dot or a quote at the beginning of a line is a request.
    return f"\\&{line}" if line.startswith((".", "'")) else line
