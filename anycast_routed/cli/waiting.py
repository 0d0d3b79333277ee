"""Wait until the router shows the LocalPref or the withdrawal of each prefix; print each step."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose
from anycast_routed.decide.attribute_words import change_cells
from anycast_routed.decide.plan import plan
from anycast_routed.errors import AnycastRoutedError, NotConfirmedError
from anycast_routed.model import Attributes
from anycast_routed.reconcile import last_known
from anycast_routed.reconcile.once import once
from anycast_routed.report import text
from anycast_routed.state import running_daemon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Prefix, Readback

_POLL_INTERVAL = 0.05  # seconds from one read-back to the next
_GRACE = 10.0  # seconds beyond drain-time, for the daemon and the router
_LOCK_TIMEOUT = 5.0  # seconds to wait for another instance to end


class Transition:
    """Some prefixes that change to a goal: the LocalPref of each, or None for a withdrawn one.

    The constructor reads the router once, so that no later step is missed.
    """

    def __init__(
        self, settings: Settings, config: Config, goal: Mapping[Prefix, int | None]
    ) -> None:
        self._settings = settings
        self._config = config
        self._goal = goal
        self._held: dict[Prefix, int | None] | None = None
        # A drain order can be given while the router is down.
        with contextlib.suppress(AnycastRoutedError):
            self._report(choose.choose(config).read())

    def wait(self, *, applies: int, lowered: float = 0.0, lasts: float = math.inf) -> None:
        """Wait until the router shows the goal.

        With a running daemon, only watch the router. Without one, do what `apply` does, at most
        `applies` times, `lowered` seconds apart. `lowered` is how long a drain only lowers the
        LocalPref; `lasts` is the length of the drain. Both are in seconds.

        Raises:
            NotConfirmedError: the goal was not reached in time.
            RouterUnavailableError: the router does not answer.
        """
        start = time.monotonic()
        run_dir = self._config.daemon.run_dir
        reached = (
            self._watch_router(min(lowered + _GRACE, lasts))
            if running_daemon.pid(run_dir) is not None
            else self._apply(applies, lowered)
        )
        if not reached:
            raise self._timeout_error(time.monotonic() - start)

    def _watch_router(self, timeout: float) -> bool:
        """Read the router until it shows the goal or the timeout is over; return if it does."""
        speaker = choose.choose(self._config)
        deadline = time.monotonic() + timeout
        while not (reached := self._report(speaker.read())) and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
        return reached

    def _apply(self, times: int, pause: float) -> bool:
        """Do what `apply` does, some times, until the goal is reached; return if it is."""
        with running_daemon.alone(self._config.daemon.run_dir, "drain", within=_LOCK_TIMEOUT):
            for number in range(times):
                if number:
                    time.sleep(pause)
                done = once(self._config, self._settings.digest())
                if self._report(done.step.outcome.readback):
                    return True
        return False

    def _report(self, readback: Readback) -> bool:
        """Print what changed since the last read-back; return if the goal is reached."""
        routes = {route.prefix: route.local_pref for route in readback.originated}
        now = {prefix: routes.get(prefix) for prefix in self._goal}
        before = now if self._held is None else self._held
        self._settings.say(
            _step_line(prefix, before[prefix], now[prefix])
            for prefix in self._goal
            if now[prefix] != before[prefix]
        )
        sys.stdout.flush()
        self._held = now
        return now == self._goal

    def _timeout_error(self, seconds: float) -> NotConfirmedError:
        """Return the error that names the missing prefixes and, if it is known, the reason."""
        held = self._held or {}
        missing = {prefix for prefix, goal in self._goal.items() if held.get(prefix) != goal}
        found, _ = last_known.observed(self._config, None)
        withheld = plan(self._config, found).withheld
        reason = next((one.detail for one in withheld if one.prefix in missing), "")
        named = ", ".join(sorted(map(str, missing)))
        message = f"not done within {text.duration(seconds)}: {named}"
        hint = f"{reason}; see: anycast-routed status" if reason else "see: anycast-routed status"
        return NotConfirmedError(message, hint=hint)


def _step_line(prefix: Prefix, before: int | None, after: int | None) -> str:
    if after is None:
        return f"- {prefix}  withdrawn"
    old = None if before is None else Attributes(local_pref=before)
    local_pref, *_ = change_cells(old, Attributes(local_pref=after))
    return f"{'+' if before is None else '~'} {prefix}  {local_pref}"
