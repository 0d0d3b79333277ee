"""Waiting until the router shows what was ordered, and saying each step on the way."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose
from anycast_routed.decide.plan import plan
from anycast_routed.errors import AnycastRoutedError, NotConfirmedError
from anycast_routed.reconcile import last_known
from anycast_routed.reconcile.once import once
from anycast_routed.report import text
from anycast_routed.state import running_daemon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Prefix, Readback

_EVERY = 0.05  # seconds from one read-back to the next
_GRACE = 10.0  # seconds beyond drain-time, for the daemon and the router
_LOCK_WITHIN = 5.0  # seconds that we wait for another instance to end


class Way:
    """Some prefixes on their way to a goal: the LocalPref of each, or None for a withdrawn one.

    Making one takes the router's first word, so that no step is missed.
    """

    def __init__(
        self, settings: Settings, config: Config, goal: Mapping[Prefix, int | None]
    ) -> None:
        self._settings = settings
        self._config = config
        self._goal = goal
        self._seen: dict[Prefix, int | None] | None = None
        # An order can be given while the router is down.
        with contextlib.suppress(AnycastRoutedError):
            self._look(choose.choose(config).read())

    def wait(self, *, by_steps: int, lowers: float = 0.0, lasts: float = math.inf) -> None:
        """Wait until the daemon has brought the router there; without one, do it in `by_steps`.

        `lowers` is for how many seconds a drain only lowers, and `lasts` when it is over.

        Raises:
            NotConfirmedError: the time was over before.
            RouterUnavailableError: the router does not answer.
        """
        begun = time.monotonic()
        run_dir = self._config.daemon.run_dir
        there = (
            self._watch(min(lowers + _GRACE, lasts))
            if running_daemon.pid(run_dir) is not None
            else self._walk(by_steps, lowers)
        )
        if not there:
            raise self._late(time.monotonic() - begun)

    def _watch(self, within: float) -> bool:
        """Look until the daemon is there, or must have been."""
        speaker = choose.choose(self._config)
        deadline = time.monotonic() + within
        while not (there := self._look(speaker.read())) and time.monotonic() < deadline:
            time.sleep(_EVERY)
        return there

    def _walk(self, steps: int, lowers: float) -> bool:
        """Do ourselves what a run of `apply` does, until there."""
        with running_daemon.alone(self._config.daemon.run_dir, "drain", within=_LOCK_WITHIN):
            for step in range(steps):
                if step:
                    time.sleep(lowers)
                done = once(self._config, self._settings.digest())
                if self._look(done.step.outcome.readback):
                    return True
        return False

    def _look(self, readback: Readback) -> bool:
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

    def _late(self, seconds: float) -> NotConfirmedError:
        """Say what is missing, and why as far as that is known."""
        seen = self._seen or {}
        missing = {prefix for prefix, goal in self._goal.items() if seen.get(prefix) != goal}
        found, _ = last_known.observed(self._config, None)
        withheld = plan(self._config, found).withheld
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
