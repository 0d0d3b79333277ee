"""What is known at this moment: the only state that changes. No I/O, and no clock of its own.

Tasks replace facts here; `observed` freezes them into the value that a plan rests on. `apply`
fills it once, the daemon for ever. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.health import decided, died, step, unproved
from anycast_routed.decide.plan import plan
from anycast_routed.facts.draining import Draining
from anycast_routed.facts.flapping import Flapping
from anycast_routed.model import (
    Health,
    Held,
    Host,
    Observed,
    Outcome,
    Verdict,
)
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import CheckResult, Plan, Prefix
    from anycast_routed.state.drain_orders import Ordered


class Facts:
    """The facts about every service of a config and about this host."""

    def __init__(
        self, config: Config, known: Record, host: Host, *, trusting: bool = False
    ) -> None:
        """Begin with what an earlier process has left.

        A `trusting` one takes its verdicts for its own, as `apply` must, whose every run goes on
        where the last one has ended.
        """
        self.config = config
        self.digest = known.config
        """What tells the content of the config file in force from another; empty if not known."""
        self.version = 0
        """Counts the changes that a plan may rest on."""
        self.held = Held()
        self._known = known
        self._host = host
        self._health = {s.name: known.health.get(s.name, Health()) for s in config.services}
        if not trusting:
            self._health = {name: _uncounted(one) for name, one in self._health.items()}
        self._services = {service.name: service for service in config.services}
        self._trusting = trusting
        self._fresh: set[str] = set(self._health) if trusting else set()
        """Services with a verdict of this process; what the record says is no longer proof."""
        self._flapping = Flapping(known.flaps)
        self._draining = Draining(known.lowered)
        self._signs: dict[str, float] = {}
        """When the first result was seen that leans against each service's verdict."""
        self._evidence: dict[str, float] = {}
        self._turns: list[tuple[str, Health]] = []

    @property
    def health(self) -> Mapping[str, Health]:
        """The health of each service, by name."""
        return self._health

    @property
    def host(self) -> Host:
        """The interfaces and addresses of this host."""
        return self._host

    def settled(self, name: str) -> bool:
        """Tell whether this process has a verdict on the service, and nothing leans against it."""
        return name in self._fresh and decided(self._health[name])

    @property
    def unproved(self) -> frozenset[str]:
        """The services that this process has no verdict on yet."""
        return frozenset(self._health) - self._fresh

    @property
    def evidence(self) -> dict[str, float]:
        """When the first sign of each service's latest turn was seen, until it is told."""
        return dict(self._evidence)

    def told(self, evidence: Mapping[str, float]) -> None:
        """Forget signs whose consequences have been told."""
        for name, seen in evidence.items():
            if self._evidence.get(name) == seen:
                del self._evidence[name]

    def take_turns(self) -> list[tuple[str, Health]]:
        """Return every change of a verdict since this was last asked, in its order."""
        turns, self._turns = self._turns, []
        return turns

    def record(self, router: str) -> Record:
        """Return what the next process of this boot is to know."""
        return Record(
            boot=self._known.boot,
            router=router,
            health=dict(self._health),
            flaps=dict(self._flapping.flaps),
            lowered=dict(self._draining.lowered),
            config=self.digest,
        )

    def fold(self, name: str, dns: Dns, result: CheckResult, *, began: float, at: float) -> bool:
        """Take one check's result; tell whether the verdict has changed, or is the first one.

        What is said of a service that the config no longer has is too late, and no news.
        """
        before = self._health.get(name)
        if before is None:
            return False
        in_a_row = {Outcome.FAIL: before.fails, Outcome.PASS: before.passes}
        if in_a_row.get(result.outcome) == 0:
            self._signs[name] = began
        return self._judge(name, step(before, result, rise=dns.rise, fall=dns.fall, at=at), at)

    def died(self, name: str, dns: Dns, reason: str, *, seen: float, at: float) -> bool:
        """Take the proof that the server is gone or hung; tell whether the verdict has changed."""
        before = self._health.get(name)
        if before is None:
            return False
        if before.fails == 0:
            self._signs[name] = seen
        return self._judge(name, died(before, reason, fall=dns.fall), at)

    def see(self, host: Host) -> bool:
        """Take the addresses of this host; tell whether they are others than before."""
        if host == self._host:
            return False
        self._host = host
        self.version += 1
        return True

    def forgive(self, names: Iterable[str]) -> None:
        """Forget how often these services have gone down: their operator says they are well."""
        self._flapping.forgive(names)
        self.version += 1

    def order(self, orders: tuple[Ordered, ...], now: float) -> None:
        """Take what the operator has drained; `now` is wall clock, as the orders' times are."""
        self.version += self._draining.order(orders, now)

    def expire(self, now: float) -> None:
        """End the drains whose time is over at `now`, which is wall clock as they are."""
        self.version += self._draining.expire(now)

    def adopt(self, config: Config) -> None:
        """Take another config.

        What is announced stands, and a service that asks the same question keeps its verdict. Of
        another server, or of a service with a new name, there is none yet.
        """
        before, self._services = self._services, {one.name: one for one in config.services}
        self.config = config
        same = {
            name
            for name, service in self._services.items()
            if name in before and _question(before[name].dns) == _question(service.dns)
        }
        self._health = {
            name: self._health[name] if name in same else _uncounted(self._health.get(name))
            for name in self._services
        }
        self._fresh &= same
        self.hold(self.held.prefixes)
        self.version += 1

    def confirmed(self, shown: Plan, prefixes: Iterable[Prefix], at: float) -> None:
        """Take the router's word, which shows this plan."""
        self.hold(prefixes, shown if shown.services == tuple(self._services) else None)
        self._draining.confirmed(shown, at)

    def hold(self, prefixes: Iterable[Prefix], known: Plan | None = None) -> None:
        """Take what the router holds; its services are those of the config in force."""
        self.held = Held.of(prefixes, known or plan(self.config, self.observed(0.0)))

    def observed(self, at: float) -> Observed:
        """Freeze the facts. `at` decides which waits are over."""
        return Observed(
            health={name: self._shown(name) for name in self._health},
            interfaces=self._host.interfaces,
            addresses=self._host.addresses,
            down=self._host.down,
            drains=self._draining.drains(self.config, self.held, at),
            damped={
                name: self._flapping.sentence(name, until)
                for name in self._health
                if at < (until := self._returns(name))
            },
        )

    def next_change(self, at: float) -> float | None:
        """Return the time at which `observed` will say something else by itself, if ever."""
        times = [self._returns(name) for name in self._health]
        times += self._draining.changes(self.config)
        return min((one for one in times if one > at), default=None)

    def _judge(self, name: str, health: Health, at: float) -> bool:
        before, first = self._health[name], name not in self._fresh
        if before.verdict is Verdict.UP and health.verdict is Verdict.DOWN:
            self._count(name, at)
        self._health[name] = health
        if self._proves(name, health):
            self._fresh.add(name)
        turned = before.verdict is not health.verdict
        if turned or (first and name in self._fresh):
            self._turns.append((name, health))
            if (seen := self._signs.pop(name, None)) is not None:
                self._evidence[name] = seen
            self.version += 1
            return True
        return False

    def _proves(self, name: str, health: Health) -> bool:
        """Tell whether a verdict is this process's own: as many results as any other takes."""
        match health.verdict:
            case Verdict.UP:
                return health.passes >= self._services[name].dns.rise
            case Verdict.DOWN:
                return decided(health)
            case Verdict.UNKNOWN:
                return False

    def _count(self, name: str, at: float) -> None:
        """Count a withdrawal, unless there was nothing to withdraw.

        What has been up in this process may be on its way out, before the router has confirmed it.
        """
        own = name in self._fresh and not self._draining.has(name)
        if own or name in self.held.services:
            self._flapping.count(name, self._services[name].dns.half_life, at)

    def _returns(self, name: str) -> float:
        return self._flapping.returns(name, self._services[name].dns.half_life)

    def _shown(self, name: str) -> Health:
        """Say what stands for a service's health until this process has a verdict."""
        health = self._health[name]
        if name in self._fresh:
            return health
        return unproved(health, announced=name in self.held.services)


def _uncounted(health: Health | None) -> Health:
    """Return a verdict without its row of results: another has to begin."""
    return replace(health, passes=0, fails=0) if health else Health()


def _question(asked: Dns) -> tuple[object, ...]:
    return asked.ip, asked.port, asked.query, asked.rrtype
