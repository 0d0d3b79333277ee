"""Files are written in threads: in order, with a bounded queue, and a write may hang."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import AnycastRoutedError, CannotWriteError
from anycast_routed.supervisor.background_writer import BackgroundWriter
from anycast_routed.system.threads import in_daemon_thread
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Disk:
    """A disk that hangs until `goes_on` is set, and the writes and reports that it took."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.written: list[int] = []
        self.reported: list[str] = []

    def write(self, number: int) -> Callable[[], None]:
        """Return a write of this number."""

        def work() -> None:
            assert self.goes_on.wait(PATIENCE)
            self.written.append(number)

        return work

    def wrote(self, what: str, error: AnycastRoutedError | None) -> None:
        """Record how a write has ended."""
        self.reported.append(f"{what}: {error}")


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Return a disk, and end its hanging writes after the test."""
    made = Disk()
    yield made
    made.goes_on.set()


@pytest.mark.parametrize(("most", "written"), [(1, [0, 4]), (2, [0, 3, 4]), (9, [0, 1, 2, 3, 4])])
async def test_the_oldest_waiting_write_makes_room(
    disk: Disk, most: int, written: list[int]
) -> None:
    writer = BackgroundWriter("file", most, disk.wrote)
    for number in range(5):
        writer.put(disk.write(number))
    await asyncio.sleep(0)
    assert disk.written == []
    disk.goes_on.set()
    async with asyncio.timeout(PATIENCE):
        await writer.finished()
    assert disk.written == written
    assert disk.reported == ["file: None"] * len(written)


async def test_a_write_that_fails_for_any_reason_is_reported(disk: Disk) -> None:
    def full() -> None:
        message = "no space"
        raise CannotWriteError(message)

    def broken() -> None:
        raise UnicodeError

    disk.goes_on.set()
    writer = BackgroundWriter("file", 9, disk.wrote)
    for write in (full, broken, disk.write(1)):
        writer.put(write)
    async with asyncio.timeout(PATIENCE):
        await writer.finished()
    assert disk.reported == [
        "file: no space",
        "file: cannot write the file: UnicodeError()",
        "file: None",
    ]


async def test_a_write_that_hangs_is_reported_after_a_while(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = "anycast_routed.supervisor.background_writer._HUNG"
    monkeypatch.setattr(hung, math.inf)
    writer = BackgroundWriter("file", 1, disk.wrote)
    writer.look()
    writer.put(disk.write(1))
    writer.look()
    assert disk.reported == []
    monkeypatch.setattr(hung, 0.0)
    writer.look()
    assert "cannot write the file: its file system does not answer" in disk.reported[0]


def test_the_event_loop_ends_without_waiting_for_a_hanging_thread(disk: Disk) -> None:
    async def ask() -> None:
        async with asyncio.timeout(0.01):
            await in_daemon_thread(disk.write(1))

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    disk.goes_on.set()


async def test_an_exception_in_the_thread_is_raised_in_the_event_loop() -> None:
    def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(work)
    assert await in_daemon_thread(lambda: 42) == 42
