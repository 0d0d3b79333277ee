"""The judge of the router's file sees each content, however short its time."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import pytest

from anycast_routed.system import files
from tests.support.open_files import descriptors
from tests.support.schedules.file_judge import FileWatch
from tests.support.waiting import eventually
from tests.support.written_files import Written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

BODY = "protocol static {\n  route 10.0.0.1/32 blackhole;\n  route 10.0.0.2/32 blackhole;\n}\n"
NEXT = BODY.replace("static", "static anew")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of the router's file."""
    return tmp_path / "bird.conf"


@pytest.fixture
def watch(file: Path) -> Iterator[FileWatch]:
    """Watch the file."""
    made = FileWatch(file)
    yield made
    made.close()


def rendered(body: str) -> str:
    """Return a complete content, with the header of a rendering."""
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f"# anycast-routed inputs=0123456789abcdef text={digest}\n{body}"


def less(text: str) -> str:
    """Return the text without its first route."""
    return text.replace("  route 10.0.0.1/32 blackhole;\n", "")


def test_a_complete_file_is_right_with_and_without_some_routes(
    watch: FileWatch, file: Path
) -> None:
    for text in (rendered(BODY), less(rendered(BODY)), rendered(NEXT), less(rendered(NEXT))):
        files.write(file, text)
    assert watch.wrong() == []
    assert watch.is_whole(less(rendered(BODY)))


def test_a_part_is_wrong_even_if_it_was_replaced_at_once(watch: FileWatch, file: Path) -> None:
    half = rendered(BODY)[:-20]
    files.write(file, half)
    files.write(file, rendered(BODY))
    assert watch.wrong() == [f"a part of a file:\n{half}"]
    assert watch.wrong() == [], "each fault is reported once"


def test_a_file_that_lost_more_than_routes_is_wrong(watch: FileWatch, file: Path) -> None:
    files.write(file, rendered(BODY))
    files.write(file, less(rendered(BODY)).replace("}\n", ""))
    files.write(file, less(rendered(NEXT)))
    assert len(watch.wrong()) == 2


def test_the_file_of_a_killed_writer_is_wrong_once_it_is_renamed_into_place(
    watch: FileWatch, file: Path
) -> None:
    left = file.with_name(".bird.conf.01234567")
    left.write_text("half")
    assert watch.wrong() == []
    left.replace(file)
    assert watch.wrong() == ["a part of a file:\nhalf"]


def test_few_descriptors_are_open_however_many_files_were_written(tmp_path: Path) -> None:
    with contextlib.closing(Written(tmp_path)) as written:
        for number in range(300):
            files.write(tmp_path / "bird.conf", f"{number}", durable=False)
        before = descriptors()
        texts = []
        for file in written.files():
            assert descriptors() < before + 64
            texts.append(file.text)
        assert texts == [f"{number}" for number in range(300)]
        assert descriptors() == before


def test_a_file_written_in_place_is_wrong(watch: FileWatch, file: Path) -> None:
    file.write_text(rendered(BODY))
    wrong = eventually(watch.wrong)
    assert set(wrong) == {"bird.conf was written in its place"}


def test_a_content_that_the_schedule_writes_is_expected(watch: FileWatch, file: Path) -> None:
    harm = rendered(BODY).replace("}", "} edited")
    watch.expect(harm)
    files.write(file, harm)
    files.write(file, less(harm))
    assert watch.wrong() == []
