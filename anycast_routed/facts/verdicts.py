"""The verdict on each check: recorded, proved by this process, or still open. No I/O, no clock."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from anycast_routed.decide.health import decided, died, step, uncounted, unproved
from anycast_routed.decide.service_state import combined
from anycast_routed.decide.trial import (
    Trial,
    continued,
    failure,
    is_due,
    question,
    taken_over,
    tried,
)
from anycast_routed.model import CheckKey, Health, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import CheckResult, Finding


class Recorded(Enum):
    """How a process treats the verdicts that an earlier process recorded."""

    CONTINUED = "continued"
    """They count as this process's own: each run of `apply` continues where the last one ended."""
    UNPROVED = "unproved"
    """They keep what is announced, and nothing more, until this process has its own verdict."""


class Judged(NamedTuple):
    """What one result or proof has done to the health of its service."""

    before: Health
    after: Health
    turned: bool
    """The verdict of the service has changed, or is the first one of this process.

    Also if a trial has a verdict, or is over.
    """


Asked: TypeAlias = "tuple[CheckKey, Dns]"
"""A check to run: one that decides, or a changed one on trial."""


class Verdicts:
    """The health of each check of a config, and which of it this process has proved itself."""

    def __init__(
        self,
        config: Config,
        known: Mapping[CheckKey, Health],
        recorded: Recorded,
        checks: Mapping[CheckKey, Dns],
        trials: Mapping[CheckKey, Trial],
    ) -> None:
        """Start with the recorded health; `checks` made it, and `trials` were on at the end."""
        self.deciding = {key: checks.get(key, check) for key, check in _checks(config).items()}
        """The check that decides for each key: that of the config, or the old one in a trial."""
        self.trials = dict(trials)
        """The trial of each changed check."""
        self._of_service = _by_service(self.deciding)
        self.health = {key: known.get(key, Health()) for key in self.deciding}
        """The health of each check."""
        self._proved: set[CheckKey] = set()
        if recorded is Recorded.CONTINUED:
            self._proved.update(self.health)
        else:
            self.health = {key: uncounted(one) for key, one in self.health.items()}
        self._first_signs: dict[CheckKey, float] = {}
        """When the first result against the present verdict of each check was seen."""
        self.evidence: dict[str, float] = {}
        """When the first sign of each service's latest turn was seen, until it is reported."""
        self._turns: list[tuple[str, Health]] = []
        self.adopt(config)

    @property
    def unproved(self) -> frozenset[str]:
        """The services with a check on which this process has no verdict yet."""
        return frozenset(key.service for key in self.health.keys() - self._proved)

    def asked(self) -> list[Asked]:
        """Return all checks to run."""
        return [*self.deciding.items(), *((key, one.check) for key, one in self.trials.items())]

    def decides(self, key: CheckKey, check: Dns) -> bool:
        """Tell whether this check decides."""
        return self.deciding.get(key) == check

    def on_trial(self, key: CheckKey, check: Dns | None) -> bool:
        """Tell whether this check is a changed one on trial."""
        return key in self.trials and self.trials[key].check == check

    def is_asked(self, key: CheckKey, check: Dns) -> bool:
        """Tell whether this check still decides, or is on trial."""
        return self.decides(key, check) or self.on_trial(key, check)

    def failures(self, verb: str) -> dict[CheckKey, Finding | None]:
        """Return each changed check on trial, with a finding if only it fails.

        `verb` takes configs.
        """
        found = {
            k: failure(k.service, self.deciding[k], one, verb) for k, one in self.trials.items()
        }
        return {k: None if self.health[k].verdict is Verdict.DOWN else found[k] for k in found}

    def settled(self, key: CheckKey, by: Dns | None = None) -> bool:
        """Tell whether this process has a verdict on the check, and no result against it since."""
        if self.on_trial(key, by):
            return decided(self.trials[key].health)
        return key in self._proved and decided(self.health[key])

    def fold(
        self, key: CheckKey, result: CheckResult, *, began: float, at: float, by: Dns | None = None
    ) -> Judged | None:
        """Add one result of a check; None stands for the check that decides.

        None is returned for a check that neither decides nor is on trial any more.
        """
        if self.on_trial(key, by):
            return self._try(key, tried(self.trials[key], result, at=at))
        if key not in self.health or not (by is None or self.decides(key, by)):
            return None
        before, limits = self.health[key], self.deciding[key]
        in_a_row = {Outcome.FAIL: before.fails, Outcome.PASS: before.passes}
        if in_a_row.get(result.outcome) == 0:
            self._first_signs[key] = began
        return self._judge(key, step(before, result, rise=limits.rise, fall=limits.fall, at=at))

    def died(self, key: CheckKey, reason: str, *, seen: float) -> Judged | None:
        """Add the proof that the server of the check that decides died or hung.

        None is returned for a check that the config no longer has.
        """
        before = self.health.get(key)
        if before is None:
            return None
        if before.fails == 0:
            self._first_signs[key] = seen
        return self._judge(key, died(before, reason, fall=self.deciding[key].fall))

    def of_service(self, service: str) -> Health:
        """Return the health of a service: that of all its checks together."""
        return combined(self.health[key] for key in self._of_service[service])

    def shown(self, check: CheckKey, *, announced: bool) -> Health:
        """Return the health that a plan may rest on.

        Until this process has a verdict, a recorded one keeps the service announced, if it is.
        """
        health = self.health[check]
        return health if check in self._proved else unproved(health, announced=announced)

    def adopt(self, config: Config, *, forced: bool = False) -> None:
        """Put the checks of another config in place.

        A check that asks the same question keeps its verdict. A changed one is on trial if the old
        one is UP, unless it is `forced`; otherwise there is no verdict on it yet, as on a service
        with a new name.
        """
        before, checks = self.deciding, _checks(config)
        known = {key: check for key, check in checks.items() if key in before}
        same = {key for key, check in known.items() if question(before[key]) == question(check)}
        self.trials = {
            key: continued(self.trials.get(key), check)
            for key, check in known.items()
            if not forced and is_due(before[key], check, self.health[key])
        }
        kept = same | self.trials.keys()
        self.health = {
            key: self.health[key] if key in kept else uncounted(self.health.get(key))
            for key in checks
        }
        self.deciding = {
            key: before[key] if key in self.trials else check for key, check in checks.items()
        }
        self._of_service = _by_service(checks)
        self._proved &= kept

    def take_turns(self) -> list[tuple[str, Health]]:
        """Return each change of a service's verdict since the last call, oldest first."""
        turns, self._turns = self._turns, []
        return turns

    def forget_evidence(self, reported: Mapping[str, float]) -> None:
        """Forget the signs whose consequences have been reported."""
        for service, seen in reported.items():
            if self.evidence.get(service) == seen:
                del self.evidence[service]

    def _try(self, key: CheckKey, trial: Trial) -> Judged:
        before, self.trials[key] = self.trials[key].health.verdict, trial
        judged = self._judge(key, self.health[key])
        changed = key not in self.trials or trial.health.verdict is not before
        return judged._replace(turned=judged.turned or changed)

    def _judge(self, check: CheckKey, health: Health) -> Judged:
        service = check.service
        before, was_proved = self.of_service(service), self._is_proved(service)
        trial = self.trials.get(check)
        if trial is not None and (taken := taken_over(health, trial)) is not None:
            health, self.deciding[check] = taken, self.trials.pop(check).check
        self.health[check] = health
        if self._proves(check, health):
            self._proved.add(check)
        after, is_proved = self.of_service(service), self._is_proved(service)
        turned = before.verdict is not after.verdict or (is_proved and not was_proved)
        if turned:
            self._turns.append((service, after))
            if (seen := self._first_signs.pop(check, None)) is not None:
                self.evidence[service] = seen
        return Judged(before, after, turned)

    def _is_proved(self, service: str) -> bool:
        return self._proved.issuperset(self._of_service[service])

    def _proves(self, check: CheckKey, health: Health) -> bool:
        """Tell whether a verdict is this process's own: it took as many results as any other."""
        match health.verdict:
            case Verdict.UP:
                return health.passes >= self.deciding[check].rise
            case Verdict.DOWN:
                return decided(health)
            case Verdict.UNKNOWN:
                return False


def _checks(config: Config) -> dict[CheckKey, Dns]:
    return {
        CheckKey(service.name, name): check
        for service in config.services
        for name, check in service.checks.items()
    }


def _by_service(checks: Iterable[CheckKey]) -> dict[str, list[CheckKey]]:
    """Return the keys of each service's checks, so that a result costs no walk over all checks."""
    found: dict[str, list[CheckKey]] = {}
    for key in checks:
        found.setdefault(key.service, []).append(key)
    return found
