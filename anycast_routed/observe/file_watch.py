"""Tells that files have become others: config, drain and template files, and routers' sockets.

Watched are the real folders in which their names stand, since inotify sees nothing through a
symbolic link and stays with a file that has been replaced. Whether something has changed is always
decided by looking; an event only says that it is time to look, and a slow poll says so too, for
whatever inotify does not tell.
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

from anycast_routed.observe.file_state import Look, State, entries, look

POLL: Final = 5.0
_QUIET: Final = 0.05
_SETTLED: Final = 0.5
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
"""All but those of files that are opened, read and closed, as our own looks do."""


class Watch:
    """Watches a few paths; only the content of a file counts, and which one a socket is.

    Nothing happens before `run`. A path that does not exist is watched too, and so is one that
    leads through symbolic links or through folders that come and go. A change is known within
    0.1 s after the last of a burst, 0.6 s after its first; `poll` seconds where inotify is of no
    use: when its limits are reached, on network file systems, after a folder was moved.
    """

    def __init__(self, paths: Iterable[Path], *, poll: float = POLL) -> None:
        self._paths = tuple(paths)
        self._poll = poll
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._looks: dict[Path, Look] = {}
        self._reported: dict[Path, State] = {}

    def look(self) -> None:
        """Take the paths as they are now for reported. Blocks while it reads them.

        `run` does so at its start, if it has not been done. Call it before you read the files
        yourself, so that no change between the two is missed.
        """
        self._looks = {path: look(path, self._looks.get(path)) for path in self._paths}
        self._reported = self._states()

    async def run(self) -> NoReturn:
        """Watch until cancelled; its threads end then."""
        folders = _Folders(self._notice(asyncio.get_running_loop()))
        try:
            while True:
                self._wake.clear()
                # First watch, then look: what comes between the two is told by an event.
                await asyncio.to_thread(folders.watch, self._paths)
                await asyncio.to_thread(self._look_again)
                if self._states() != self._reported:
                    self._news.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll):
                        await self._wake.wait()
                await self._settle()
        finally:
            await asyncio.to_thread(folders.close)

    async def changed(self) -> frozenset[Path]:
        """Wait until some of the paths are not what they were when last reported; say which."""
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
        self._looks = {path: look(path, self._looks.get(path)) for path in self._paths}

    def _states(self) -> dict[Path, State]:
        return {path: seen.state for path, seen in self._looks.items()}

    def _notice(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def notice() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(self._wake.set)

        return notice

    async def _settle(self) -> None:
        """Wait until no more events come: a file is being written, or several in turn."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _SETTLED
        while self._wake.is_set() and loop.time() < end:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_QUIET):
                    await self._wake.wait()


class _Folders(FileSystemEventHandler):
    """The watched folders. Its methods block, and never run at the same time."""

    def __init__(self, notice: Callable[[], None]) -> None:
        self._notice = notice
        self._observer: BaseObserver | None = None
        self._entries: frozenset[str] = frozenset()
        self._watches: dict[str, tuple[ObservedWatch, tuple[int, int]]] = {}
        self._gone: set[str] = set()

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch the folders of these paths, and no others. What can't be watched is polled."""
        found = {entry for path in paths for entry in entries(path)}
        self._entries = frozenset(map(str, found))
        wanted = {str(entry.parent): _which(entry.parent) for entry in found}
        with contextlib.suppress(OSError, RuntimeError):  # limits: of inotify, and of threads
            self._forget(wanted)
            for folder, which in wanted.items():
                if folder not in self._watches and which is not None:
                    self._watches[folder] = self._schedule(folder), which

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take in an event, in a thread of watchdog's."""
        touched = {os.fsdecode(event.src_path), os.fsdecode(event.dest_path)}
        if isinstance(event, DirDeletedEvent):
            self._gone |= {path for path in touched if path in self._watches}
        if touched & self._entries or touched & self._gone:
            self._notice()

    def close(self) -> None:
        """End the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _forget(self, wanted: Mapping[str, tuple[int, int] | None]) -> None:
        """Drop the watches that are of no use: also those of a folder that is another one now."""
        for folder, (watch, which) in list(self._watches.items()):
            if wanted.get(folder) != which or folder in self._gone:
                del self._watches[folder]
                self._gone.discard(folder)
                if self._observer is not None:
                    self._observer.unschedule(watch)

    def _schedule(self, folder: str) -> ObservedWatch:
        if self._observer is None:
            observer = Observer()
            observer.start()
            self._observer = observer
        return self._observer.schedule(self, folder, recursive=False, event_filter=_EVENTS)


def _which(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
