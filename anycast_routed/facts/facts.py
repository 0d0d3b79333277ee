"""What is known now about the services and this host: the only state that changes.

No I/O and no clock. The daemon's tasks and `apply` write facts here; `observed` freezes them into
the value that a plan rests on. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from anycast_routed.decide.health import decided, died, step, unproved
from anycast_routed.decide.plan import plan
from anycast_routed.decide.service_state import health_of
from anycast_routed.facts.draining import Draining
from anycast_routed.facts.flapping import Flapping
from anycast_routed.model import CheckKey, Health, Held, Host, Observed, Outcome, Verdict
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import CheckResult, Plan, Prefix
    from anycast_routed.state.drain_orders import Ordered


class Recorded(Enum):
    """How a process treats the verdicts that an earlier process recorded."""

    CONTINUED = "continued"
    """They count as this process's own: each run of `apply` continues where the last one ended."""
    UNPROVED = "unproved"
    """They keep what is announced, and nothing more, until this process has its own verdict."""


class Facts:
    """The facts about each check of a config and about this host."""

    def __init__(
        self, config: Config, known: Record, host: Host, recorded: Recorded = Recorded.UNPROVED
    ) -> None:
        """Start with what an earlier process recorded."""
        self.config = config
        self.digest = known.config
        """Digest of the config file's content in force; empty if unknown."""
        self.version = 0
        """Counts the changes that may change the plan."""
        self.held = Held()
        self._known = known
        self._host = host
        self._services = {service.name: service for service in config.services}
        self._health = {key: known.health.get(key, Health()) for key in _keys(config)}
        self._proved: set[CheckKey] = set()
        """Checks on which this process has a verdict of its own."""
        if recorded is Recorded.CONTINUED:
            self._proved.update(self._health)
        else:
            self._health = {key: _uncounted(one) for key, one in self._health.items()}
        self._flapping = Flapping(known.flaps)
        self._draining = Draining(known.lowered)
        self._first_signs: dict[CheckKey, float] = {}
        """When the first result against the present verdict of each check was seen."""
        self._evidence: dict[str, float] = {}
        self._turns: list[tuple[str, Health]] = []

    @property
    def checks(self) -> Mapping[CheckKey, Health]:
        """The health of each check."""
        return self._health

    @property
    def host(self) -> Host:
        """The interfaces and addresses of this host."""
        return self._host

    def settled(self, check: CheckKey) -> bool:
        """Tell whether this process has a verdict on the check, and no result against it since."""
        return check in self._proved and decided(self._health[check])

    @property
    def unproved(self) -> frozenset[str]:
        """The services with a check on which this process has no verdict yet."""
        return frozenset(key.service for key in self._health.keys() - self._proved)

    @property
    def evidence(self) -> dict[str, float]:
        """When the first sign of each service's latest turn was seen, until it is reported."""
        return dict(self._evidence)

    def forget_evidence(self, reported: Mapping[str, float]) -> None:
        """Forget the signs whose consequences have been reported."""
        for service, seen in reported.items():
            if self._evidence.get(service) == seen:
                del self._evidence[service]

    def take_turns(self) -> list[tuple[str, Health]]:
        """Return each change of a service's verdict since the last call, oldest first."""
        turns, self._turns = self._turns, []
        return turns

    def record(self, router: str) -> Record:
        """Return what the next process of this boot needs to know."""
        return Record(
            boot=self._known.boot,
            router=router,
            health=dict(self._health),
            flaps=dict(self._flapping.flaps),
            lowered=dict(self._draining.lowered),
            config=self.digest,
        )

    def fold(
        self, check: CheckKey, dns: Dns, result: CheckResult, *, began: float, at: float
    ) -> bool:
        """Add one check's result; tell whether the verdict has changed, or is the first one.

        A result for a check that the config no longer has is ignored.
        """
        before = self._health.get(check)
        if before is None:
            return False
        in_a_row = {Outcome.FAIL: before.fails, Outcome.PASS: before.passes}
        if in_a_row.get(result.outcome) == 0:
            self._first_signs[check] = began
        return self._judge(check, step(before, result, rise=dns.rise, fall=dns.fall, at=at), at)

    def died(self, check: CheckKey, dns: Dns, reason: str, *, seen: float, at: float) -> bool:
        """Add the proof that the server died or hung; tell whether the verdict has changed."""
        before = self._health.get(check)
        if before is None:
            return False
        if before.fails == 0:
            self._first_signs[check] = seen
        return self._judge(check, died(before, reason, fall=dns.fall), at)

    def see(self, host: Host) -> bool:
        """Replace this host's addresses; tell whether they differ from before."""
        if host == self._host:
            return False
        self._host = host
        self.version += 1
        return True

    def forgive(self, services: Iterable[str]) -> None:
        """Forget how often these services went down: their operator declares them well."""
        self._flapping.forgive(services)
        self.version += 1

    def order(self, orders: tuple[Ordered, ...], now: float) -> None:
        """Replace the drain orders; `now` is wall clock, as the orders' times are."""
        self.version += self._draining.order(orders, now)

    def expire(self, now: float) -> None:
        """End the drains whose time is over at `now` (wall clock)."""
        self.version += self._draining.expire(now)

    def adopt(self, config: Config) -> None:
        """Put another config in force.

        What is announced stays, and a service that asks the same question keeps its verdict.
        There is no verdict yet on another server, or on a service with a new name.
        """
        before, self._services = self._services, {one.name: one for one in config.services}
        self.config = config
        same = {
            key
            for key in _keys(config)
            if (old := before.get(key.service)) is not None
            and key.check in old.checks
            and _question(old.checks[key.check])
            == _question(self._services[key.service].checks[key.check])
        }
        self._health = {
            key: self._health[key] if key in same else _uncounted(self._health.get(key))
            for key in _keys(config)
        }
        self._proved &= same
        self.hold(self.held.prefixes)
        self.version += 1

    def confirmed(self, shown: Plan, prefixes: Iterable[Prefix], at: float) -> None:
        """Take in a read-back of the router, which shows this plan."""
        self.hold(prefixes, shown if shown.services == tuple(self._services) else None)
        self._draining.confirmed(shown, at)

    def hold(self, prefixes: Iterable[Prefix], known: Plan | None = None) -> None:
        """Take in what the router holds; its services are those of the config in force."""
        self.held = Held.of(prefixes, known or plan(self.config, self.observed(0.0)))

    def observed(self, at: float) -> Observed:
        """Freeze the facts. `at` decides which waits are over."""
        return Observed(
            checks={key: self._shown(key) for key in self._health},
            interfaces=self._host.interfaces,
            addresses=self._host.addresses,
            down=self._host.down,
            drains=self._draining.drains(self.config, self.held, at),
            damped={
                service: self._flapping.sentence(service, until)
                for service in self._services
                if at < (until := self._returns(service))
            },
        )

    def next_change(self, at: float) -> float | None:
        """Return the time at which `observed` changes without a new fact; None if never."""
        times = [self._returns(service) for service in self._services]
        times += self._draining.changes(self.config)
        return min((one for one in times if one > at), default=None)

    def _judge(self, check: CheckKey, health: Health, at: float) -> bool:
        service = check.service
        before, was_proved = health_of(service, self._health), self._is_proved(service)
        self._health[check] = health
        if self._proves(check, health):
            self._proved.add(check)
        after = health_of(service, self._health)
        if before.verdict is Verdict.UP and after.verdict is Verdict.DOWN:
            self._count(service, at, was_proved=was_proved)
        turned = before.verdict is not after.verdict
        if not turned and (was_proved or not self._is_proved(service)):
            return False
        self._turns.append((service, after))
        if (seen := self._first_signs.pop(check, None)) is not None:
            self._evidence[service] = seen
        self.version += 1
        return True

    def _is_proved(self, service: str) -> bool:
        return service not in self.unproved

    def _proves(self, check: CheckKey, health: Health) -> bool:
        """Tell whether a verdict is this process's own: it took as many results as any other."""
        match health.verdict:
            case Verdict.UP:
                return health.passes >= self._services[check.service].checks[check.check].rise
            case Verdict.DOWN:
                return decided(health)
            case Verdict.UNKNOWN:
                return False

    def _count(self, service: str, at: float, *, was_proved: bool) -> None:
        """Count a withdrawal, unless there was nothing to withdraw.

        A service that was up in this process may have been sent to the router already, although
        the router has not confirmed it yet.
        """
        own = was_proved and not self._draining.has(service)
        if own or service in self.held.services:
            self._flapping.count(service, self._half_life(service), at)

    def _returns(self, service: str) -> float:
        return self._flapping.returns(service, self._half_life(service))

    def _half_life(self, service: str) -> float:
        return self._services[service].dns.half_life

    def _shown(self, check: CheckKey) -> Health:
        """Return what a plan may rest on, until this process has a verdict of its own."""
        health = self._health[check]
        if check in self._proved:
            return health
        return unproved(health, announced=check.service in self.held.services)


def _keys(config: Config) -> list[CheckKey]:
    return [
        CheckKey(service.name, check) for service in config.services for check in service.checks
    ]


def _uncounted(health: Health | None) -> Health:
    """Return a verdict without its results in a row: a new row has to begin."""
    return replace(health, passes=0, fails=0) if health else Health()


def _question(dns: Dns) -> tuple[object, ...]:
    return dns.ip, dns.port, dns.query, dns.rrtype
