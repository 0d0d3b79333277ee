"""Watch a few files for changes: config, drain and template files, and the sockets of routers.

inotify does not follow symbolic links, and it stays with a file that was replaced. So the real
directories of the files are watched. An event only triggers a look at the files, and so does a slow
poll, for changes that inotify does not report; only the look decides whether something changed.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NoReturn

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from anycast_routed.observe.file_state import FileState, Snapshot, entries, take

POLL: Final = 5.0
"""Seconds from one look to the next without events."""
_QUIET: Final = 0.05
"""Seconds without an event that end a series of changes."""
_LONGEST_SERIES: Final = 0.5
"""Seconds after which a series of changes is looked at in any case."""
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
"""All except the events of opening, reading and closing without a write, which a look causes."""


class Watch:
    """Watches a few paths for changed file contents, and for replaced sockets.

    Nothing happens before `run`. A path may not exist yet, may lead through symbolic links, and its
    directories may come and go. A change is reported within 0.1 s after the last of a series and
    0.6 s after its first; within `poll` seconds if inotify cannot report it: when its limits are
    reached, on network file systems, or after a directory was moved.
    """

    def __init__(self, paths: Iterable[Path], *, poll: float = POLL) -> None:
        self._paths = tuple(paths)
        self._poll = poll
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._snapshots: dict[Path, Snapshot] = {}
        self._reported: dict[Path, FileState] = {}

    def look(self) -> None:
        """Take the present state of the paths as reported. Blocks while it reads them.

        `run` does it at its start, unless it was done before. Call it before you read the files
        yourself: then no change after your reading is missed.
        """
        self._take_snapshots()
        self._reported = self._states()

    async def run(self) -> NoReturn:
        """Watch until cancelled, and end the threads then."""
        directories = _Directories(self._notifier(asyncio.get_running_loop()))
        try:
            while True:
                self._wake.clear()
                # First watch, then look: an event reports a change in between.
                await asyncio.to_thread(directories.watch, self._paths)
                await asyncio.to_thread(self._look_again)
                if self._states() != self._reported:
                    self._news.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll):
                        await self._wake.wait()
                await self._settle()
        finally:
            await asyncio.to_thread(directories.close)

    async def changed(self) -> frozenset[Path]:
        """Wait until paths differ from their last reported state, and return these paths."""
        while True:
            await self._news.wait()
            self._news.clear()
            now = self._states()
            found = frozenset(path for path in now if now[path] != self._reported[path])
            self._reported = now
            if found:
                return found

    def _look_again(self) -> None:
        if not self._reported:
            self.look()
        self._take_snapshots()

    def _take_snapshots(self) -> None:
        self._snapshots = {path: take(path, self._snapshots.get(path)) for path in self._paths}

    def _states(self) -> dict[Path, FileState]:
        return {path: snapshot.state for path, snapshot in self._snapshots.items()}

    def _notifier(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                loop.call_soon_threadsafe(self._wake.set)

        return notify

    async def _settle(self) -> None:
        """Wait until no more events come: a file is being written, or several in turn."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _LONGEST_SERIES
        while self._wake.is_set() and loop.time() < end:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_QUIET):
                    await self._wake.wait()


class _Directories(FileSystemEventHandler):
    """The watched directories. The methods block; `watch` and `close` never run together."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify
        self._observer: BaseObserver | None = None
        self._entries: frozenset[str] = frozenset()
        self._watches: dict[str, tuple[ObservedWatch, tuple[int, int]]] = {}
        self._gone: set[str] = set()

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch the directories of these paths, and no others; ignore those that cannot be."""
        found = {entry for path in paths for entry in entries(path)}
        self._entries = frozenset(map(str, found))
        wanted = {str(entry.parent): _identity(entry.parent) for entry in found}
        with contextlib.suppress(OSError, RuntimeError):  # limits of inotify, and of threads
            self._unwatch(wanted)
            for directory, identity in wanted.items():
                if directory not in self._watches and identity is not None:
                    self._watches[directory] = self._schedule(directory), identity

    def dispatch(self, event: FileSystemEvent) -> None:
        """Handle an event, in a thread of watchdog."""
        touched = {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)}
        if isinstance(event, DirDeletedEvent):
            self._gone |= {path for path in touched if path in self._watches}
        if touched & self._entries or touched & self._gone:
            self._notify()

    def close(self) -> None:
        """End the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _unwatch(self, wanted: Mapping[str, tuple[int, int] | None]) -> None:
        """Drop the watches of directories that are not wanted, were replaced or are gone."""
        for directory, (watch, identity) in list(self._watches.items()):
            if wanted.get(directory) != identity or directory in self._gone:
                del self._watches[directory]
                self._gone.discard(directory)
                if self._observer is not None:
                    self._observer.unschedule(watch)

    def _schedule(self, directory: str) -> ObservedWatch:
        if self._observer is None:
            observer = Observer()
            observer.start()
            self._observer = observer
        return self._observer.schedule(self, directory, recursive=False, event_filter=_EVENTS)


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        found = directory.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
