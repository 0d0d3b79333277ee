"""Count how often each service went down recently, and until when it waits because of that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.decide.damping import flapped, wait
from anycast_routed.model import Flaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Flapping:
    """The withdrawals of each service, as its BGP neighbors may count them (RFC 2439)."""

    def __init__(self, flaps: Mapping[str, Flaps]) -> None:
        self.flaps = dict(flaps)
        # Fixed, so that the same wait is always reported with the same time of day.
        self._clock = time.time() - time.monotonic()

    def count(self, name: str, half_life: float, at: float) -> None:
        """Count one withdrawal, unless the service was waiting already."""
        if at >= self.returns(name, half_life):
            flaps = self.flaps.get(name, Flaps())
            self.flaps[name] = flapped(flaps, at=at, half_life=half_life)

    def forgive(self, names: Iterable[str]) -> None:
        """Forget the withdrawals of these services."""
        for name in names:
            self.flaps.pop(name, None)

    def returns(self, name: str, half_life: float) -> float:
        """Return the monotonic time from which its flaps let a service be announced again."""
        flaps = self.flaps.get(name, Flaps())
        return flaps.at + wait(flaps, at=flaps.at, half_life=half_life)

    def sentence(self, name: str, until: float) -> str:
        """Return a sentence for people: why the service waits, and until when."""
        clock = time.strftime("%H:%M:%S", time.localtime(self._clock + until))
        count = self.flaps[name].count
        undrain = f"anycast-routed undrain {name}"
        return f"{name} went down {count} times: withheld until {clock}, or until `{undrain}`"
