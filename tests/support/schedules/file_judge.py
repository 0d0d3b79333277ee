"""Judge the router's file while a schedule runs: no reader may ever see a part of it."""

from __future__ import annotations

import hashlib
import re
from queue import SimpleQueue
from typing import TYPE_CHECKING

from watchdog.events import FileModifiedEvent, FileSystemEventHandler
from watchdog.observers import Observer

from tests.support.router_faults import networks_in
from tests.support.written_files import Written

if TYPE_CHECKING:
    from pathlib import Path

    from watchdog.events import FileSystemEvent

_HEADER = re.compile(r"[#!] anycast-routed inputs=[0-9a-f]+ text=([0-9a-f]+)\n")
_ROUTE = re.compile(r"\s*(network|(ip|ipv6 )?\s*route) ")


class FileWatch(FileSystemEventHandler):
    """Checks each content of the file: complete as rendered, or with some routes removed.

    Protocols of BIRD may be enabled and disabled: whether a dead prefix comes back that way is
    judged at the peer.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._bases: dict[str, set[str]] = {}
        """The complete contents, and those that a schedule wrote, by their header."""
        self._wrong: SimpleQueue[str] = SimpleQueue()
        self._held: set[str] = set()
        self.removed_by_rendering: list[set[str]] = []
        """The prefixes that were in the file, and not in the next content, which was complete."""
        self._written = Written(file.parent)
        self._observer = Observer()
        self._observer.schedule(self, str(file.parent), event_filter=[FileModifiedEvent])
        self._observer.start()

    def close(self) -> None:
        """End the watch."""
        self._observer.stop()
        self._observer.join(5)
        self._written.close()

    def expect(self, harm: str) -> None:
        """Accept this content, which the schedule itself writes."""
        self._know(harm)

    def on_modified(self, event: FileSystemEvent) -> None:
        """Report a file that is written in place, where readers can see a part of it."""
        name = str(event.src_path).rsplit("/", 1)[-1]
        if not event.is_directory and name.endswith((".conf", ".json")) and name[0] != ".":
            self._wrong.put(f"{name} was written in its place")

    @property
    def has_seen(self) -> bool:
        """Whether any complete content was seen: without events, the judge finds no fault."""
        return bool(self._bases)

    def wrong(self) -> list[str]:
        """Return the faults since the last call."""
        for file in self._written.files():
            if _is_rendered(file.text):
                self._know(file.text)
                self._note(file.text, rendered=True)
            elif file.name == self._file.name:
                self._note(file.text)
                if file.text and not self._is_less(file.text):
                    self._wrong.put(f"a part of a file:\n{file.text}")
            elif file.stays and file.name.startswith("."):
                self._written.again(file)  # It may be renamed into its place later.
        return [self._wrong.get() for _ in range(self._wrong.qsize())]

    def forget_removals(self) -> None:
        """Forget what was removed so far."""
        self.removed_by_rendering.clear()

    def _note(self, text: str, *, rendered: bool = False) -> None:
        now = networks_in(text)
        if rendered and (gone := self._held - now):
            self.removed_by_rendering.append(gone)
        self._held = now

    def is_whole(self, text: str) -> bool:
        """Tell whether a content is complete, or complete except for some removed routes."""
        return _is_rendered(text) or self._is_less(text)

    def _know(self, text: str) -> None:
        self._bases.setdefault(_header(text), set()).add(text)

    def _is_less(self, text: str) -> bool:
        kept, routes = _split(text)
        for base in self._bases.get(_header(text), ()):
            other, more = _split(base)
            if text == base:
                return True
            # What returns without a reload is enabled in a text that has it disabled.
            if kept == other and routes <= more:
                return True
        return False


def _is_rendered(text: str) -> bool:
    header = _HEADER.match(text)
    return header is not None and _digest(text[header.end() :]) == header.group(1)


def _header(text: str) -> str:
    return text.partition("\n")[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _split(text: str) -> tuple[list[str], set[str]]:
    """Split off the lines that announce a route, without the lines that disable a protocol."""
    lines = [line for line in text.splitlines() if line != "  disabled;"]
    routes = {line for line in lines if _ROUTE.match(line)}
    return [line for line in lines if line not in routes], routes
