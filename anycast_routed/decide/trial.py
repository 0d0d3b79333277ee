"""The trial of a changed check: the old check decides until the changed one has passed. Pure.

A typo in the config file must not withdraw a healthy service. So a check that asks something else
than before is tried beside the old one, as long as the old one passes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anycast_routed.config.values import quoted, spelled
from anycast_routed.decide.health import died, step
from anycast_routed.model import Code, Finding, Health, Verdict

if TYPE_CHECKING:
    from anycast_routed.config import Dns
    from anycast_routed.model import CheckResult

_QUESTION = ("ip", "port", "query", "rrtype", "timeout")
"""The keys that decide what one check asks, and whether it passes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A changed check that does not decide yet."""

    check: Dns
    health: Health = field(default_factory=Health)
    asked: int = 0
    """How often it was asked, counted up to the number that ends an undecided trial."""


def question(check: Dns) -> tuple[object, ...]:
    """Return what makes it the same check as another: what it asks, and when it passes."""
    return tuple(getattr(check, key) for key in _QUESTION)


def is_due(old: Dns, new: Dns, health: Health) -> bool:
    """Tell whether a changed check must be tried: the old one differs, and is UP.

    Args:
        old: the check that has decided so far.
        new: the check of the config now.
        health: the health that the old check has made.
    """
    return health.verdict is Verdict.UP and question(old) != question(new)


def continued(trial: Trial | None, check: Dns) -> Trial:
    """Return the trial of this check, which continues one of the same question."""
    if trial is None or question(trial.check) != question(check):
        return Trial(check)
    return replace(trial, check=check)


def tried(trial: Trial, result: CheckResult, *, at: float) -> Trial:
    """Return the trial after one more result of the changed check, at monotonic seconds `at`.

    Its health follows rise and fall. A check that passes and fails in turn reaches neither; after
    as many results as one run of `apply` asks for, it counts as failed, and needs a whole rise.
    """
    rise, fall = trial.check.rise, trial.check.fall
    health = step(trial.health, result, rise=rise, fall=fall, at=at)
    most = 2 * (rise + fall)
    asked = min(trial.asked + 1, most)
    if health.verdict is Verdict.UNKNOWN and asked == most:
        row = f"neither {rise} passes nor {fall} failures in a row in {asked} checks"
        health = died(health, f"{row}, the last one: {result.reason}", fall=fall)
    return replace(trial, health=health, asked=asked)


def taken_over(health: Health, trial: Trial) -> Health | None:
    """Return the health with which the changed check takes over; None while the old one decides.

    It takes over when it has passed `rise` times in a row. It also takes over when the old check
    is DOWN before it has a verdict itself: the service is down then, and returns after `rise`
    passes of the new one. One that has failed takes nothing over: it may have the typo.

    Args:
        health: the health that the old check has made.
        trial: the trial of the changed check.
    """
    if trial.health.verdict is Verdict.UP:
        return replace(trial.health, ever_up=True)
    if health.verdict is Verdict.DOWN and trial.health.verdict is Verdict.UNKNOWN:
        return died(health, health.reason, fall=trial.check.fall)
    return None


def failure(service: str, old: Dns, trial: Trial, verb: str) -> Finding | None:
    """Return the finding about a changed check that fails; None as long as it has not.

    `verb` is what takes the config: `reload` or `apply`.
    """
    if trial.health.verdict is not Verdict.DOWN:
        return None
    new = trial.check
    keys = [key for key in _QUESTION if getattr(old, key) != getattr(new, key)]
    changes = [f"dns.{key} is {_word(old, new, key)}" for key in keys]
    detail = f"the changed check fails ({trial.health.reason}), so the old one still decides: "
    detail += " and ".join(changes)
    named = " and ".join(f"dns.{key}" for key in keys)
    fix = f"correct {named} in the config file"
    fix = f"{fix}; if the changed check must decide all the same: anycast-routed {verb} --force"
    return Finding(Code.CHECK_ON_TRIAL, f"service {service}", detail, fix)


def _word(old: Dns, new: Dns, key: str) -> str:
    """Return the new value of a key and the old one, as they stand in a config file."""
    if key == "timeout":
        return f"{spelled(new.timeout)} (before: {spelled(old.timeout)})"
    if key == "port":
        return f"{new.port} (before: {old.port})"
    return f"{quoted(str(getattr(new, key)))} (before: {quoted(str(getattr(old, key)))})"
