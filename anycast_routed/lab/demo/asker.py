"""A client that keeps asking which server answers at the anycast address."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from anycast_routed.errors import AnycastRoutedError

if TYPE_CHECKING:
    from types import TracebackType

    from anycast_routed.lab.host import Host

_EVERY = 0.1  # seconds between two questions; one that is lost may take a second


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: when its answer came or was given up (monotonic seconds), and who answered."""

    at: float
    answer: str  # "" when there was none


class Asker:
    """Asks while the `with` block runs, one question after the other, by dig."""

    def __init__(self, client: Host, question: tuple[str, ...]) -> None:
        self.question = question
        self._client = client
        self._asked: list[Asked] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def mark(self) -> int:
        """Return a mark for `since`: the number of questions that have ended so far."""
        return len(self._asked)

    def since(self, mark: int = 0) -> list[Asked]:
        """Return the questions that have ended since then."""
        return self._asked[mark:]

    def ask(self) -> str:
        """Ask once, now; return who answered, or ""."""
        try:
            return self._client.dig(*self.question).strip('"')
        except AnycastRoutedError:  # dig itself hung: no answer either
            return ""

    def _run(self) -> None:
        while not self._stop.is_set():
            answer = self.ask()
            self._asked.append(Asked(time.monotonic(), answer))
            self._stop.wait(_EVERY)


def lost(asked: list[Asked]) -> int:
    """Count the questions without an answer."""
    return sum(not one.answer for one in asked)
