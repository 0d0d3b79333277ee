"""The verdict on each check: recorded, proved by this process, or still open. No I/O, no clock."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.decide.health import decided, died, step, uncounted, unproved
from anycast_routed.decide.service_state import combined
from anycast_routed.model import CheckKey, Health, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import CheckResult


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
    was_proved: bool
    """Before it, this process had a verdict on each check of the service."""
    turned: bool
    """The verdict of the service has changed, or is the first one of this process."""


class Verdicts:
    """The health of each check of a config, and which of it this process has proved itself."""

    def __init__(
        self, config: Config, known: Mapping[CheckKey, Health], recorded: Recorded
    ) -> None:
        self._checks = _checks(config)
        self._of_service = _by_service(self._checks)
        self.health = {key: known.get(key, Health()) for key in self._checks}
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

    @property
    def unproved(self) -> frozenset[str]:
        """The services with a check on which this process has no verdict yet."""
        return frozenset(key.service for key in self.health.keys() - self._proved)

    def settled(self, check: CheckKey) -> bool:
        """Tell whether this process has a verdict on the check, and no result against it since."""
        return check in self._proved and decided(self.health[check])

    def fold(
        self, check: CheckKey, result: CheckResult, *, began: float, at: float
    ) -> Judged | None:
        """Add one check's result; None for a check that the config no longer has."""
        before = self.health.get(check)
        if before is None:
            return None
        in_a_row = {Outcome.FAIL: before.fails, Outcome.PASS: before.passes}
        if in_a_row.get(result.outcome) == 0:
            self._first_signs[check] = began
        limits = self._checks[check]
        return self._judge(check, step(before, result, rise=limits.rise, fall=limits.fall, at=at))

    def died(self, check: CheckKey, reason: str, *, seen: float) -> Judged | None:
        """Add the proof that a server died or hung; None for a check no longer in the config."""
        before = self.health.get(check)
        if before is None:
            return None
        if before.fails == 0:
            self._first_signs[check] = seen
        return self._judge(check, died(before, reason, fall=self._checks[check].fall))

    def shown(self, check: CheckKey, *, announced: bool) -> Health:
        """Return the health that a plan may rest on.

        Until this process has a verdict, a recorded one keeps the service announced, if it is.
        """
        health = self.health[check]
        return health if check in self._proved else unproved(health, announced=announced)

    def adopt(self, config: Config) -> None:
        """Put the checks of another config in place.

        A check that asks the same question keeps its verdict. There is no verdict yet on another
        server, or on a service with a new name.
        """
        before, self._checks = self._checks, _checks(config)
        self._of_service = _by_service(self._checks)
        same = {
            key
            for key, check in self._checks.items()
            if key in before and _question(before[key]) == _question(check)
        }
        self.health = {
            key: self.health[key] if key in same else uncounted(self.health.get(key))
            for key in self._checks
        }
        self._proved &= same

    def take_turns(self) -> list[tuple[str, Health]]:
        """Return each change of a service's verdict since the last call, oldest first."""
        turns, self._turns = self._turns, []
        return turns

    def forget_evidence(self, reported: Mapping[str, float]) -> None:
        """Forget the signs whose consequences have been reported."""
        for service, seen in reported.items():
            if self.evidence.get(service) == seen:
                del self.evidence[service]

    def _judge(self, check: CheckKey, health: Health) -> Judged:
        service = check.service
        before, was_proved = self._combined(service), self._is_proved(service)
        self.health[check] = health
        if self._proves(check, health):
            self._proved.add(check)
        after, is_proved = self._combined(service), self._is_proved(service)
        turned = before.verdict is not after.verdict or (is_proved and not was_proved)
        if turned:
            self._turns.append((service, after))
            if (seen := self._first_signs.pop(check, None)) is not None:
                self.evidence[service] = seen
        return Judged(before, after, was_proved, turned)

    def _combined(self, service: str) -> Health:
        return combined(self.health[key] for key in self._of_service[service])

    def _is_proved(self, service: str) -> bool:
        return self._proved.issuperset(self._of_service[service])

    def _proves(self, check: CheckKey, health: Health) -> bool:
        """Tell whether a verdict is this process's own: it took as many results as any other."""
        match health.verdict:
            case Verdict.UP:
                return health.passes >= self._checks[check].rise
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


def _question(dns: Dns) -> tuple[object, ...]:
    return dns.ip, dns.port, dns.query, dns.rrtype
