"""A client that keeps asking which server answers at the anycast address."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from types import TracebackType

    from anycast_routed.lab.host import Host

_EVERY = 0.2  # seconds between two questions
_AT_ONCE = 8  # questions on their way; one that is lost takes dig a second


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """One question: when it was asked, when it ended (monotonic seconds), and who answered.

    `answer` is "" when nobody did.
    """

    at: float
    ended: float
    answer: str


class Asker:
    """Asks by dig while the `with` block runs, whether earlier questions are answered or not."""

    def __init__(self, client: Host, question: tuple[str, ...]) -> None:
        self._client = client
        self._question = question
        self._asked: list[Asked] = []
        self._underway: set[float] = set()
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

    def asked(self, begun: float = 0.0, ended: float = float("inf")) -> list[Asked]:
        """Return the questions that ended in that time, in the order in which they were asked."""
        return sorted(one for one in list(self._asked) if begun <= one.ended < ended)

    def settle(self) -> float:
        """Wait until every question asked before now has ended; return the time then."""
        now = time.monotonic()
        eventually(
            lambda: all(at > now for at in list(self._underway)),
            within=10.0,
            why="the client's questions end, answered or not",
        )
        return time.monotonic()

    def _run(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while not self._stop.is_set():
                pool.submit(self._ask)
                self._stop.wait(_EVERY)

    def _ask(self) -> None:
        at = time.monotonic()
        self._underway.add(at)
        try:
            answer = self._client.dig(*self._question).strip('"')
        except AnycastRoutedError:  # dig itself hung: no answer either
            answer = ""
        self._asked.append(Asked(at, time.monotonic(), answer))
        self._underway.discard(at)


def lost(asked: list[Asked]) -> int:
    """Count the questions without an answer."""
    return sum(not one.answer for one in asked)
