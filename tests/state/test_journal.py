"""The journal is bounded, and readable after a crash and with damaged lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import AnycastRoutedError, CannotWriteError
from anycast_routed.state import journal
from anycast_routed.state.journal import Entry
from tests.support.full_disk import files_of_at_most

if TYPE_CHECKING:
    from pathlib import Path


def entry(number: int, why: str = "dns is down: SERVFAIL") -> Entry:
    return Entry(1_700_000_000.25 + number, "withdrawn", "10.10.10.10/32", "dns", why, 0.021)


def test_appended_entries_are_read_back_newest_last(tmp_path: Path) -> None:
    directory = tmp_path / "var" / "lib"
    start = Entry(1.0, "event", "", "dns", "the daemon has started")
    journal.append(directory, [start, entry(1)])
    journal.append(directory, [entry(2, 'a "quoted"\nline, \udcff and ü')])
    assert journal.load(directory) == (start, entry(1), entry(2, 'a "quoted"\nline, \udcff and ü'))
    assert journal.load(directory, most=1) == journal.load(directory)[-1:]
    assert journal.load(directory, most=0) == ()


def test_a_missing_journal_is_empty_and_no_entries_make_no_file(tmp_path: Path) -> None:
    assert journal.load(tmp_path / "none") == ()
    journal.append(tmp_path / "none", [])
    assert not (tmp_path / "none").exists()


def test_the_journal_never_takes_more_than_two_mebibytes(tmp_path: Path) -> None:
    for batch in range(60):
        journal.append(tmp_path, [entry(batch * 500 + number) for number in range(500)])
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 << 20
    assert sorted(file.name for file in tmp_path.iterdir()) == ["history.jsonl", "history.jsonl.1"]
    kept = journal.load(tmp_path, most=100_000)
    assert kept[-1] == entry(29_999)
    assert len(kept) > 5000
    assert [one.at for one in kept] == [entry(30_000 - n).at for n in range(len(kept), 0, -1)]


def test_a_batch_that_is_too_large_keeps_its_newest_entries(tmp_path: Path) -> None:
    journal.append(tmp_path, [entry(number, "x" * 10_000) for number in range(5000)])
    journal.append(tmp_path, [entry(5000)])
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 << 20
    kept = journal.load(tmp_path, most=100_000)
    assert [one.at for one in kept[-2:]] == [entry(4999).at, entry(5000).at]
    assert kept[0].why == "x" * 400


@pytest.mark.parametrize(
    "damage",
    [
        b'{"at": 17000',
        b"\0\0\0\0\n",
        b"\xff\xfe\n\n",
        b"[]\n7\nnull\n",
        b'{"at": 1}\n',
        b'{"at": NaN, "kind": "event", "prefix": "", "service": "", "why": "", "seconds": 1}\n',
        b'{"at": 1e999, "kind": "event", "prefix": "", "service": "", "why": "", "seconds": 1}\n',
        b'{"at": {}, "kind": "event", "prefix": "", "service": "", "why": "", "seconds": 1}\n',
        b"[" * 100_000,
        b"9" * 100_000,
    ],
)
def test_a_damaged_line_loses_no_other_entry(tmp_path: Path, damage: bytes) -> None:
    journal.append(tmp_path, [entry(1)])
    with (tmp_path / "history.jsonl").open("ab") as file:
        file.write(damage)
    assert journal.load(tmp_path) == (entry(1),)
    journal.append(tmp_path, [entry(2)])
    assert journal.load(tmp_path) == (entry(1), entry(2))


def test_a_full_disk_is_an_error_and_loses_only_the_new_entry(tmp_path: Path) -> None:
    journal.append(tmp_path, [entry(1)])
    size = (tmp_path / "history.jsonl").stat().st_size
    for room in (0, 20):
        with (
            files_of_at_most(size + room),
            pytest.raises(CannotWriteError, match=r"cannot write .*history\.jsonl"),
        ):
            journal.append(tmp_path, [entry(2)])
        assert journal.load(tmp_path) == (entry(1),)
    journal.append(tmp_path, [entry(3)])
    assert journal.load(tmp_path) == (entry(1), entry(3))


@pytest.mark.parametrize("kind", ["link", "directory", "fifo"])
def test_a_journal_that_is_not_a_regular_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "history.jsonl"
    other = tmp_path / "passwd"
    other.write_text("root\n")
    match kind:
        case "link":
            path.symlink_to(other)
        case "directory":
            path.mkdir()
        case _:
            os.mkfifo(path)
    with pytest.raises(CannotWriteError):
        journal.append(tmp_path, [entry(1)])
    assert other.read_text() == "root\n"
    assert journal.load(tmp_path) == ()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnycastRoutedError):
        journal.append(tmp_path / "file" / "state", [entry(1)])
