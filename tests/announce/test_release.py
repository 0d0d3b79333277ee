"""Which row of a table of releases a version works by."""

from dataclasses import dataclass

import pytest

from anycast_routed.announce.bird import releases as bird
from anycast_routed.announce.frr import releases as frr
from anycast_routed.announce.release import newest, numbers
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Code, Severity


@dataclass(frozen=True)
class Row:
    """A release without any properties."""

    since: tuple[int, ...]


TABLE = (Row((2, 0, 12)), Row((2, 18)), Row((3,)))


@pytest.mark.parametrize(
    ("version", "row"),
    [
        ("2.0.12", 0),
        ("2.17.6-1~deb13u1", 0),
        ("2.18", 1),
        ("2.20.0", 1),
        ("3.1.8", 2),
        ("4.0", 2),
        ("2.0.7", 0),
        ("unknown", 2),
        ("", 2),
    ],
)
def test_a_version_works_by_the_newest_row_that_is_not_newer(version: str, row: int) -> None:
    assert newest(TABLE, numbers(version)) is TABLE[row]


def test_each_table_is_sorted() -> None:
    assert [one.since for one in bird.RELEASES] == sorted(one.since for one in bird.RELEASES)
    assert [one.since for one in frr.RELEASES] == sorted(one.since for one in frr.RELEASES)


@pytest.mark.parametrize(
    ("greeting", "words", "parsed"),
    [
        ("BIRD 2.0.12 ready.", "BIRD 2.0.12", (2, 0, 12)),
        ("BIRD v2.13-3-gabc ready.", "BIRD v2.13-3-gabc", (2, 13)),
        ("ready.", "BIRD", ()),
    ],
)
def test_the_greeting_names_birds_version(
    greeting: str, words: str, parsed: tuple[int, ...]
) -> None:
    found = bird.version(greeting)
    assert (str(found), found.numbers) == (words, parsed)


def test_the_running_config_names_frrs_version() -> None:
    found = frr.version("!\nfrr version 8.4.4\nfrr defaults traditional\n")
    assert (str(found), found.numbers) == ("FRR 8.4.4", (8, 4, 4))
    assert str(frr.version("")) == "FRR unknown"


@pytest.mark.parametrize(
    ("greeting", "codes"),
    [
        ("BIRD 2.0.12 ready.", []),
        ("BIRD 3.0.1 ready.", [Code.RELEASE_CRASHES]),
        ("BIRD 3.1.7 ready.", [Code.RELEASE_CRASHES]),
        ("BIRD 3.1.8 ready.", []),
        ("BIRD 3.2.2 ready.", [Code.RELEASE_CRASHES]),
        ("BIRD 3.3.2 ready.", []),
        ("BIRD 3.4.0 ready.", []),
        ("BIRD 3.5 ready.", [Code.RELEASE_UNTRIED]),
        ("ready.", [Code.RELEASE_UNTRIED]),
    ],
)
def test_an_operator_is_told_what_concerns_the_release(greeting: str, codes: list[Code]) -> None:
    assert [one.code for one in bird.findings(bird.version(greeting))] == codes


def test_a_newer_frr_than_that_of_the_tests_is_a_note() -> None:
    assert not frr.findings(frr.version("frr version 10.7.1\n"))
    (found,) = frr.findings(frr.version("frr version 10.8-dev\n"))
    assert found.severity is Severity.NOTE
    assert "FRR 10.8-dev is newer than 10.7.1" in str(found)


@pytest.mark.parametrize("greeting", ["BIRD 1.6.8 ready.", "BIRD 2.0.7 ready."])
def test_a_release_that_is_too_old_is_refused_by_name(greeting: str) -> None:
    with pytest.raises(RouterUnavailableError, match="is too old") as refused:
        bird.refuse_unsupported(bird.version(greeting))
    assert refused.value.hint == "install BIRD 2.0.12 or newer"
    bird.refuse_unsupported(bird.version("ready."))
