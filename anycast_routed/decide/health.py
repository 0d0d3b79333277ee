"""Rise and fall: how a stream of check results becomes a verdict on one service."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.model import Health, Outcome, Verdict

if TYPE_CHECKING:
    from anycast_routed.model import CheckResult

_UNCHECKED = "not checked since the start"
UNKNOWN_LIMIT = 30.0
"""Seconds after which a check that cannot run counts as a failed one."""


def step(health: Health, result: CheckResult, *, rise: int, fall: int, at: float) -> Health:
    """Fold one result into the health of a service.

    `rise` passes in a row make it UP, `fall` failures in a row make it DOWN; a check that could
    not run breaks no row and changes nothing until UNKNOWN_LIMIT is over. The counts stop at
    `rise` and `fall`, so a stream of equal results settles on one equal value. That it has ever
    been UP is never forgotten.

    Args:
        health: what was known before.
        result: what the check has shown now.
        rise: passes in a row that are needed, at least 1.
        fall: failures in a row that are needed, at least 1.
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
    """Take a proof that the server is gone: DOWN at once, and a whole rise away from UP.

    Args:
        health: what was known before.
        reason: a short sentence for people, with what has proved it.
        fall: failures in a row that a check would have needed, at least 1.
    """
    return Health(Verdict.DOWN, fails=fall, reason=reason, ever_up=_ever_up(health))


def unproved(health: Health, *, announced: bool) -> Health:
    """Return what stands for the health that an earlier process has left, until there is a verdict.

    What is announced stays so, whatever was left says; nothing is announced anew because of it.
    """
    if health.verdict is Verdict.DOWN:
        return health
    if announced:
        return Health(Verdict.UP, reason=_UNCHECKED, ever_up=health.ever_up)
    return Health(reason=_UNCHECKED) if health.verdict is Verdict.UP else health


def decided(health: Health) -> bool:
    """Tell whether there is a verdict, and no result that leans against it."""
    match health.verdict:
        case Verdict.UP:
            return health.fails == 0
        case Verdict.DOWN:
            return health.passes == 0
        case Verdict.UNKNOWN:
            return False


def _unknown(health: Health, reason: str, *, fall: int, at: float) -> Health:
    # A stored time that lies ahead is from before a reboot: the count of seconds begins anew.
    since = at if health.unknown_since is None else min(health.unknown_since, at)
    if at - since < UNKNOWN_LIMIT:
        return replace(health, reason=reason, unknown_since=since, ever_up=_ever_up(health))
    # The failures are counted as full: after this, one pass alone must not make it UP.
    reason = f"the check could not run for {UNKNOWN_LIMIT:g} s: {reason}"
    ever_up = _ever_up(health)
    return Health(Verdict.DOWN, fails=fall, reason=reason, unknown_since=since, ever_up=ever_up)


def _ever_up(health: Health) -> bool:
    """What is UP has been UP, whoever has built the value."""
    return health.ever_up or health.verdict is Verdict.UP
