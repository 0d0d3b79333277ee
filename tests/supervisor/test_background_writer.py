"""What is told is written beside the event loop: in order, not too much of it, and it may hang."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import AnycastRoutedError, CannotWriteError
from anycast_routed.supervisor.background_writer import Writer
from anycast_routed.system.threads import beside
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Disk:
    """A disk that hangs until it goes on, and what was written to it and told of it."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.written: list[int] = []
        self.told: list[str] = []

    def write(self, number: int) -> Callable[[], None]:
        """Return a write of this number."""

        def work() -> None:
            assert self.goes_on.wait(PATIENCE)
            self.written.append(number)

        return work

    def wrote(self, what: str, error: AnycastRoutedError | None) -> None:
        """Take down how a write has ended."""
        self.told.append(f"{what}: {error}")


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Let no thread hang for ever."""
    made = Disk()
    yield made
    made.goes_on.set()


@pytest.mark.parametrize(("most", "written"), [(1, [0, 4]), (2, [0, 3, 4]), (9, [0, 1, 2, 3, 4])])
async def test_what_waits_the_longest_makes_room(disk: Disk, most: int, written: list[int]) -> None:
    writer = Writer("file", most, disk.wrote)
    for number in range(5):
        writer.put(disk.write(number))
    await asyncio.sleep(0)
    assert disk.written == []
    disk.goes_on.set()
    async with asyncio.timeout(PATIENCE):
        await writer.finished()
    assert disk.written == written
    assert disk.told == ["file: None"] * len(written)


async def test_a_write_that_fails_is_told_whatever_it_was(disk: Disk) -> None:
    def full() -> None:
        message = "no space"
        raise CannotWriteError(message)

    def broken() -> None:
        raise UnicodeError

    disk.goes_on.set()
    writer = Writer("file", 9, disk.wrote)
    for write in (full, broken, disk.write(1)):
        writer.put(write)
    async with asyncio.timeout(PATIENCE):
        await writer.finished()
    assert disk.told == [
        "file: no space",
        "file: cannot write the file: UnicodeError()",
        "file: None",
    ]


async def test_one_that_hangs_is_told_after_a_while(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = "anycast_routed.supervisor.background_writer._HUNG"
    monkeypatch.setattr(hung, math.inf)
    writer = Writer("file", 1, disk.wrote)
    writer.look()
    writer.put(disk.write(1))
    writer.look()
    assert disk.told == []
    monkeypatch.setattr(hung, 0.0)
    writer.look()
    assert "cannot write the file: its file system does not answer" in disk.told[0]


def test_nobody_waits_for_work_that_hangs_when_the_loop_ends(disk: Disk) -> None:
    async def ask() -> None:
        async with asyncio.timeout(0.01):
            await beside(disk.write(1))

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    disk.goes_on.set()


async def test_what_is_raised_beside_is_raised_here() -> None:
    def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await beside(work)
    assert await beside(lambda: 42) == 42
