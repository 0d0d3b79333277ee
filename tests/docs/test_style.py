"""The documents keep their form: length, one sentence a line, short table cells, working links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs import documents
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# The fault table is generated: its text and its preface are in tests/support/fault_rows.py, and
# another test keeps the file equal to that.
GENERATED = ROOT / "docs" / "reliability.md"
WRITTEN = [document for document in documents.ALL if document != GENERATED]
LIST_ITEM = re.compile(r"^(?:[-*]|\d+\.) ")
LONGEST_README = 250  # lines
MOST_SENTENCES = 2  # in a table cell


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def test_the_readme_is_short() -> None:
    assert len(documents.README.read_text("utf-8").splitlines()) <= LONGEST_README


@pytest.mark.parametrize("document", WRITTEN, ids=name)
def test_a_line_is_one_whole_sentence(document: Path) -> None:
    lines = list(documents.prose(document))
    crowded = [line for line in lines if documents.sentences(LIST_ITEM.sub("", line[1])) > 1]
    assert not crowded, "more than one sentence on a line"
    # A line that another line follows directly ends its sentence, or ends in a list's colon.
    following = {number - 1 for number, text in lines if not LIST_ITEM.match(text)}
    broken = [
        (number, text)
        for number, text in lines
        if number in following and not re.search(r"[.:!?][)*`\"]*$", text)
    ]
    assert not broken, "a sentence that is spread over lines"


@pytest.mark.parametrize("document", WRITTEN, ids=name)
def test_a_table_cell_has_at_most_two_sentences(document: Path) -> None:
    cells = [cell for row in documents.rows(document.read_text("utf-8")) for cell in row]
    assert not [cell for cell in cells if documents.sentences(cell) > MOST_SENTENCES]


@pytest.mark.parametrize("document", WRITTEN, ids=name)
def test_the_links_lead_somewhere(document: Path) -> None:
    for link in documents.links(document):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in documents.anchors(target), link


def test_every_document_is_reached_from_the_first_page() -> None:
    (first,) = [document for document in documents.MANUAL if document.name == "index.md"]
    reached = {(first.parent / link.partition("#")[0]).resolve() for link in documents.links(first)}
    assert {document for document in documents.MANUAL if document != first} <= reached
