"""Remember what went down although no peer was seen to have it, until a read-back decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.model import Held


class _Fall(NamedTuple):
    at: float
    until: float
    """As `Flapping.count` takes it."""
    held: bool
    """The router held it, and exported it nowhere. If not, a step under way may announce it."""


class UnseenFalls:
    """How each service went down of which no export was seen, until the next read-back."""

    def __init__(self) -> None:
        self._falls: dict[str, _Fall] = {}

    def add(self, service: str, at: float, until: float, *, held: bool) -> None:
        """Remember that a service went down; `held`: the router had it."""
        self._falls[service] = _Fall(at, until, held)

    def returned(self, service: str, at: float, *, same_sockets: bool) -> None:
        """Forget a death that was none: the server answers in time, on the same sockets."""
        fall = self._falls.get(service)
        if fall is not None and same_sockets and at <= fall.until:
            del self._falls[service]

    def begin_step(self) -> None:
        """Forget what went down and was not held: no later step announces it before that."""
        self._falls = {name: fall for name, fall in self._falls.items() if fall.held}

    def seen(self, before: Held, after: Held) -> Iterator[tuple[str, float, float]]:
        """Yield each service that a peer had after all, with its times; forget all.

        That is so if a step announced it meanwhile, or if the router held it and a session has
        come up: it may have come up before the withdrawal.
        """
        came_up = not after.sessions <= before.sessions
        falls, self._falls = self._falls, {}
        for service, fall in falls.items():
            was_seen = came_up if fall.held else service in after.exporting
            if was_seen:
                yield service, fall.at, fall.until
