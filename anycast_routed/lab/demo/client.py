"""The client of the demo: repeatedly asks which server answers at the anycast address."""

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

_INTERVAL = 0.2  # seconds between two queries
_PARALLEL = 8  # queries at the same time; dig waits one second for a lost answer


@dataclass(frozen=True, slots=True, order=True)
class Query:
    """One query: when it was sent, when it ended (monotonic seconds), and which server answered.

    `answer` is the name of the server, or "" without an answer.
    """

    at: float
    ended: float
    answer: str


class Client:
    """Runs dig at a fixed interval while the `with` block runs, without waiting for answers."""

    def __init__(self, client: Host, question: tuple[str, ...]) -> None:
        self._client = client
        self._question = question
        self._ended: list[Query] = []
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

    def queries(self, begun: float = 0.0, ended: float = float("inf")) -> list[Query]:
        """Return the queries that ended in this time span, in the order in which they were sent."""
        return sorted(query for query in list(self._ended) if begun <= query.ended < ended)

    def await_answers(self) -> float:
        """Wait until every query sent before this call has ended; return the time after that."""
        now = time.monotonic()
        eventually(
            lambda: all(at > now for at in list(self._underway)),
            within=30.0,
            why="every query of the client ends, with or without an answer",
        )
        return time.monotonic()

    def _run(self) -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            while not self._stop.is_set():
                pool.submit(self._ask)
                self._stop.wait(_INTERVAL)

    def _ask(self) -> None:
        at = time.monotonic()
        self._underway.add(at)
        try:
            answer = self._client.dig(*self._question).strip('"')
        except AnycastRoutedError:  # dig did not end in time
            answer = ""
        self._ended.append(Query(at, time.monotonic(), answer))
        self._underway.discard(at)


def lost(queries: list[Query]) -> int:
    """Return the number of queries without an answer."""
    return sum(not query.answer for query in queries)
