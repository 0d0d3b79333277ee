"""Rise and fall: turn a stream of check results into a verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.model import Health, Outcome, Verdict

if TYPE_CHECKING:
    from anycast_routed.model import CheckResult

_UNCHECKED = "not checked since the start"
UNKNOWN_LIMIT = 30.0
"""Seconds after which a check that cannot run counts as failed."""


def step(health: Health, result: CheckResult, *, rise: int, fall: int, at: float) -> Health:
    """Return the health after one more result.

    `rise` passes in a row make it UP, `fall` failures in a row make it DOWN. A check that could
    not run interrupts no row and changes nothing until UNKNOWN_LIMIT is over. The counts stop at
    `rise` and `fall`, so a stream of equal results ends in one constant value. `ever_up` is never
    cleared.

    Args:
        health: the health before.
        result: the new result.
        rise: passes in a row that make it UP, at least 1.
        fall: failures in a row that make it DOWN, at least 1.
        at: monotonic seconds of this result.
    """
    match result.outcome:
        case Outcome.PASS:
            passes = min(health.passes + 1, rise)
            verdict = Verdict.UP if passes == rise else health.verdict
            ever_up = _ever_up(health) or verdict is Verdict.UP
            return Health(verdict, passes=passes, reason=result.reason, ever_up=ever_up)
        case Outcome.FAIL:
            fails = min(health.fails + 1, fall)
            verdict = Verdict.DOWN if fails == fall else health.verdict
            ever_up = _ever_up(health)
            return Health(verdict, fails=fails, reason=result.reason, ever_up=ever_up)
        case Outcome.UNKNOWN:
            return _unknown(health, result.reason, fall=fall, at=at)


def died(health: Health, reason: str, *, fall: int) -> Health:
    """Return the health of a server that is proved dead: DOWN at once, a whole rise away from UP.

    Args:
        health: the health before.
        reason: a short sentence for people that names the proof.
        fall: failures in a row that a check would have needed, at least 1.
    """
    return Health(Verdict.DOWN, fails=fall, reason=reason, ever_up=_ever_up(health))


def uncounted(health: Health | None) -> Health:
    """Return a verdict without its results in a row: a new row has to begin."""
    return replace(health, passes=0, fails=0) if health else Health()


def unproved(health: Health, *, announced: bool) -> Health:
    """Return the health to assume from an earlier process's record, until there is a verdict.

    An announced service stays announced unless the record says DOWN; no service is announced anew
    because of the record.
    """
    if health.verdict is Verdict.DOWN:
        return health
    if announced:
        return Health(Verdict.UP, reason=_UNCHECKED, ever_up=health.ever_up)
    return Health(reason=_UNCHECKED) if health.verdict is Verdict.UP else health


def decided(health: Health) -> bool:
    """Return whether there is a verdict, and no result since that contradicts it."""
    match health.verdict:
        case Verdict.UP:
            return health.fails == 0
        case Verdict.DOWN:
            return health.passes == 0
        case Verdict.UNKNOWN:
            return False


def _unknown(health: Health, reason: str, *, fall: int, at: float) -> Health:
    # A stored time in the future is from before a reboot: the count of seconds begins anew.
    since = at if health.unknown_since is None else min(health.unknown_since, at)
    if at - since < UNKNOWN_LIMIT:
        return replace(health, reason=reason, unknown_since=since, ever_up=_ever_up(health))
    # All failures count as seen: after this, one pass alone must not make it UP.
    reason = f"the check could not run for {UNKNOWN_LIMIT:g} s: {reason}"
    ever_up = _ever_up(health)
    return Health(Verdict.DOWN, fails=fall, reason=reason, unknown_since=since, ever_up=ever_up)


def _ever_up(health: Health) -> bool:
    """Return whether it has ever been UP, also for a value that is UP without the flag."""
    return health.ever_up or health.verdict is Verdict.UP
