"""A judge of our file while a schedule runs: nobody may ever read a part of it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from watchdog.events import FileModifiedEvent, FileMovedEvent, FileSystemEventHandler
from watchdog.observers import Observer

from anycast_routed import atomic

if TYPE_CHECKING:
    from pathlib import Path

    from watchdog.events import FileSystemEvent

_HEADER = re.compile(r"[#!] anycast-routed inputs=[0-9a-f]+ text=([0-9a-f]+)\n")
_DIGEST = re.compile(r"\b[0-9a-f]{16}\b")


class FileWatch(FileSystemEventHandler):
    """Sees every content of our file: whole as rendered, or a whole one less some routes."""

    def __init__(self, file: Path) -> None:
        self.wrong: list[str] = []
        self.seen = 0
        self._file = file
        self._harm: set[str] = set()
        self._whole: list[str] = []
        self._observer = Observer()
        events: list[type[FileSystemEvent]] = [FileMovedEvent, FileModifiedEvent]
        self._observer.schedule(self, str(file.parent), event_filter=events)
        self._observer.start()

    def close(self) -> None:
        """End it."""
        self._observer.stop()
        self._observer.join(5)

    def expect(self, harm: str) -> None:
        """Take in that the schedule itself puts this content there."""
        self._harm.add(harm)

    def on_modified(self, event: FileSystemEvent) -> None:
        """Refuse a file that is written where its readers look."""
        name = str(event.src_path).rsplit("/", 1)[-1]
        if not event.is_directory and name.endswith((".conf", ".json")) and name[0] != ".":
            self.wrong.append(f"{name} was written in its place")

    def on_moved(self, event: FileSystemEvent) -> None:
        """Look at what has come to stand there."""
        if str(event.dest_path).rsplit("/", 1)[-1] != self._file.name:
            return
        text = atomic.read(self._file)
        self.seen += 1
        if text and text not in self._harm and not self.is_whole(text):
            self.wrong.append(f"a part of a file:\n{text}")

    def is_whole(self, text: str) -> bool:
        """Tell whether a content is whole, or a whole one less some routes."""
        header = _HEADER.match(text)
        if header is None:
            return False
        if _digest(text[header.end() :]) == header.group(1):
            self._whole.append(text)
            return True
        kept, routes = _split(text)
        for whole in (*reversed(self._whole), *self._harm):
            other, more = _split(whole)
            # One that was replaced before we could read it differs in its digests and routes.
            if kept == other and (routes <= more or whole.split("\n")[0] not in text):
                return True
        return False


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _split(text: str) -> tuple[list[str], set[str]]:
    """Part the lines that announce something from all others, which come without digests."""
    lines = text.splitlines()
    routes = {line for line in lines if re.match(r"\s*(network|(ip|ipv6 )?\s*route) ", line)}
    return [_DIGEST.sub("", line) for line in lines if line not in routes], routes
