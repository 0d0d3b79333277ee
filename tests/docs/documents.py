"""Parse the Markdown documents: fenced blocks, sections, tables, links and lines of prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = ROOT / "README.md"
CONFIG = ROOT / "docs" / "config.md"
REFERENCE = ROOT / "docs" / "reference.md"
MANUAL = (README, *sorted((ROOT / "docs").glob("*.md")))
"""README.md and docs/*.md: the documents whose configs and transcripts the tests run."""
ALL = (
    *MANUAL,
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "vagrant" / "README.md",
)

_FENCE = re.compile(
    r"(?:^<!-- runs on: (?P<site>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block; `site` is the lab site that the comment above the block names."""

    document: Path
    number: int
    language: str
    text: str
    site: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}-{self.number}"


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks of a document, in their order."""
    found = enumerate(_FENCE.finditer(document.read_text("utf-8")), start=1)
    return [
        Block(document, number, one["language"], one["text"], one["site"] or "")
        for number, one in found
    ]


BLOCKS = [block for document in MANUAL for block in blocks(document)]
CONFIGS = [block for block in BLOCKS if block.language in {"json", "toml"}]
CONSOLES = [block for block in BLOCKS if block.language == "console"]


def section(document: Path, title: str) -> str:
    """Return the text below a heading, up to the next heading."""
    _, _, below = document.read_text("utf-8").partition(f"# {title}\n")
    assert below, f"{document.name} has no heading {title!r}"
    return re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[tuple[str, ...]]:
    """Return the cells of every table in a text, without the head of each table."""
    found: list[tuple[str, ...]] = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        found += [
            tuple(cell.strip() for cell in line.strip("|").split(" | "))
            for line in table.splitlines()[2:]
        ]
    return found


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(document), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", one.lower()).replace(" ", "-") for one in titles}


def links(document: Path) -> list[str]:
    """Return the targets of a document's links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", without_blocks(document))


def without_blocks(document: Path) -> str:
    """Return a document's text with an empty line for each line of a fenced block."""
    text = document.read_text("utf-8")
    return _FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)


def prose(document: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that is a sentence: no heading, table or block."""
    for number, line in enumerate(without_blocks(document).splitlines(), start=1):
        text = line.strip()
        if text and not text.startswith(("#", "|", "<!--", "![")):
            yield number, text


def sentences(text: str) -> int:
    """Count the sentences of a text; code, links and numbers end none."""
    plain = re.sub(r"`[^`]*`", "code", text)
    plain = re.sub(r"\]\([^)]*\)", "]", plain)
    return 1 + len(
        re.findall(r"[.!?][)*\]\"]*\s+(?=[*(\[\"]*[A-Zc])", _ABBREVIATIONS.sub("", plain))
    )


_ABBREVIATIONS = re.compile(r"\b(?:e\.g|i\.e|etc|vs)\.|^\d+\.")
