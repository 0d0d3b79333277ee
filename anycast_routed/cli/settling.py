"""Waiting until the router shows what was ordered, and saying each step on the way."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from anycast_routed import reconcile
from anycast_routed.cli import known, running
from anycast_routed.cli.once import once
from anycast_routed.decide.plan import plan
from anycast_routed.errors import NotConfirmedError
from anycast_routed.report import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.cli.settings import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Prefix, Readback

_EVERY = 0.05  # seconds from one read-back to the next
_GRACE = 10.0  # seconds beyond drain-time, for the daemon and the router
_LOCK_WITHIN = 5.0  # seconds that we wait for another instance to end


class Way:
    """Some prefixes on their way to a goal: the LocalPref of each, or None for a withdrawn one."""

    def __init__(self, settings: Settings, goal: Mapping[Prefix, int | None]) -> None:
        self._settings = settings
        self._goal = goal
        self._seen: dict[Prefix, int | None] | None = None

    def look(self, readback: Readback) -> bool:
        """Say what is new in the router's word; tell whether the goal is reached."""
        held = {route.prefix: route.local_pref for route in readback.originated}
        now = {prefix: held.get(prefix) for prefix in self._goal}
        before = now if self._seen is None else self._seen
        self._settings.say(
            _step(prefix, before[prefix], now[prefix])
            for prefix in self._goal
            if now[prefix] != before[prefix]
        )
        sys.stdout.flush()
        self._seen = now
        return now == self._goal

    def missing(self) -> frozenset[Prefix]:
        """Return the prefixes that were not there yet at the last look."""
        seen = self._seen or {}
        return frozenset(prefix for prefix, goal in self._goal.items() if seen.get(prefix) != goal)


def drain_time(config: Config) -> float:
    """Return the longest time in seconds for which a drain of anything here only lowers."""
    return max(service.anycast.drain_time for service in config.services)


def wait(settings: Settings, config: Config, way: Way, *, by_steps: int) -> None:
    """Wait until the daemon has brought the router there; without one, do so in `by_steps` runs.

    Raises:
        NotConfirmedError: the time was over before.
        RouterUnavailableError: the router does not answer.
    """
    speaker = reconcile.choose_speaker(config)
    begun = time.monotonic()
    if way.look(speaker.read()):
        return
    if running.pid(config.daemon.run_dir) is None:
        with running.alone(config.daemon.run_dir, "drain", within=_LOCK_WITHIN):
            for step in range(by_steps):
                if step:
                    time.sleep(drain_time(config))
                if way.look(once(config, settings.digest()).outcome.readback):
                    return
    else:
        while time.monotonic() < begun + drain_time(config) + _GRACE:
            time.sleep(_EVERY)
            if way.look(speaker.read()):
                return
    raise _late(config, way, time.monotonic() - begun)


def _late(config: Config, way: Way, seconds: float) -> NotConfirmedError:
    """Say what is missing, and why as far as that is known."""
    missing = way.missing()
    found, _ = known.observed(config, None)
    withheld = plan(config, found).withheld
    why = next((one.detail for one in withheld if one.prefix in missing), "")
    named = ", ".join(sorted(map(str, missing)))
    message = f"not done within {text.duration(seconds)}: {named}"
    hint = f"{why}; see: anycast-routed status" if why else "see: anycast-routed status"
    return NotConfirmedError(message, hint=hint)


def _step(prefix: Prefix, before: int | None, after: int | None) -> str:
    if after is None:
        return f"- {prefix}  withdrawn"
    if before is None:
        return f"+ {prefix}  LocalPref {after}"
    return f"~ {prefix}  LocalPref {before} -> {after}"
