"""Which deaths of services count as flaps: those whose withdrawal a peer has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.facts.flapping import Flapping
from anycast_routed.facts.unseen_falls import UnseenFalls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from anycast_routed.config import Config
    from anycast_routed.model import Flaps, Held


class Withdrawals:
    """The deaths of the services of a config. All times are monotonic seconds."""

    def __init__(self, config: Config, flaps: Mapping[str, Flaps]) -> None:
        """Start with what an earlier process has counted."""
        self.flapping = Flapping(flaps)
        self._unseen = UnseenFalls()
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Put another config in force."""
        self._half_lives = {service.name: service.dns.half_life for service in config.services}

    def went_down(self, service: str, at: float, until: float, held: Held) -> None:
        """Count a death that a peer has seen; remember another one until the next read-back.

        It is no flap if the server has `returned` at `until`.
        """
        if service in held.exporting:
            self._count(service, at, until)
        else:
            self._unseen.add(service, at, until, held=service in held.services)

    def returned(self, service: str, at: float, *, same_sockets: bool) -> bool:
        """Take in that a dead server answers again; tell whether a counted death was no flap."""
        self._unseen.returned(service, at, same_sockets=same_sockets)
        return self.flapping.returned(service, at, same_sockets=same_sockets)

    def begin_step(self) -> None:
        """Take in that a step begins: it announces nothing that went down before."""
        self._unseen.begin_step()

    def read_back(self, before: Held, after: Held) -> None:
        """Take in what the router holds, and held before: a death may have been seen after all."""
        for service, at, until in self._unseen.seen(before, after):
            self._count(service, at, until)

    def damped(self, at: float, down: Collection[str]) -> dict[str, str]:
        """Return each service that its flaps withhold now, with a sentence for people."""
        return {
            service: self.flapping.sentence(service, until)
            for service, since, until in self._waits(down)
            if since <= at < until
        }

    def changes(self, down: Collection[str]) -> list[float]:
        """Return the times at which `damped` changes."""
        waits = self._waits(down)
        return [time for _, since, until in waits if since < until for time in (since, until)]

    def _waits(self, down: Collection[str]) -> Iterator[tuple[str, float, float]]:
        """Yield from when until when its flaps withhold each service."""
        for service, half_life in self._half_lives.items():
            # While it is down, its last death may still prove to be no flap.
            since = self.flapping.settled(service) if service in down else 0.0
            yield service, since, self.flapping.returns(service, half_life)

    def _count(self, service: str, at: float, until: float) -> None:
        if service in self._half_lives:
            self.flapping.count(service, self._half_lives[service], at, until)
