"""Count how often each service went down recently, and until when it waits because of that."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from anycast_routed.decide.damping import flapped, wait
from anycast_routed.model import Flaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Flapping:
    """The withdrawals of each service, as its BGP neighbors may count them (RFC 2439)."""

    def __init__(self, flaps: Mapping[str, Flaps]) -> None:
        self.flaps = dict(flaps)
        self._graces: dict[str, tuple[float, Flaps]] = {}
        """Until when a service's last withdrawal may prove to be no flap; its flaps without it."""
        # Fixed, so that the same wait is always reported with the same time of day.
        self._clock = time.time() - time.monotonic()

    def count(self, name: str, half_life: float, at: float, until: float) -> None:
        """Count one withdrawal, unless the service was waiting already.

        It is taken back if the server has `returned` at `until`.
        """
        if at >= self.returns(name, half_life):
            flaps = self.flaps.get(name, Flaps())
            self.flaps[name] = flapped(flaps, at=at, half_life=half_life)
            self._graces[name] = until, flaps

    def returned(self, name: str, at: float, *, same_sockets: bool) -> bool:
        """Take the last withdrawal back if it was no flap; tell whether it was none."""
        until, flaps = self._graces.pop(name, (-inf, Flaps()))
        if not same_sockets or at > until:
            return False
        self.flaps[name] = flaps
        return True

    def forgive(self, names: Iterable[str]) -> None:
        """Forget the withdrawals of these services."""
        for name in names:
            self.flaps.pop(name, None)
            self._graces.pop(name, None)

    def settled(self, name: str) -> float:
        """Return the monotonic time from which the last withdrawal counts for good."""
        return self._graces.get(name, (0.0, Flaps()))[0]

    def returns(self, name: str, half_life: float) -> float:
        """Return the monotonic time from which its flaps let a service be announced again."""
        flaps = self.flaps.get(name, Flaps())
        return flaps.at + wait(flaps, at=flaps.at, half_life=half_life)

    def sentence(self, name: str, until: float) -> str:
        """Return a sentence for people: why the service waits, and until when."""
        clock = time.strftime("%H:%M:%S", time.localtime(self._clock + until))
        count = self.flaps[name].count
        undrain = f"anycast-routed undrain {name}"
        key = "withheld by `dns.half-life`"
        return f"{name} went down {count} times: {key} until {clock}, or until `{undrain}`"
