"""What is known at this moment: the only state that changes. No I/O, and no clock of its own.

Tasks replace facts here; `observed` freezes them into the value that a plan rests on. `apply`
fills it once, the daemon for ever. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.decide.damping import flapped, wait
from anycast_routed.decide.drain import stage
from anycast_routed.decide.health import decided, died, step, unproved
from anycast_routed.model import (
    Drain,
    Flaps,
    Health,
    Held,
    Host,
    Observed,
    Outcome,
    Verdict,
)
from anycast_routed.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.drains import Ordered
    from anycast_routed.model import CheckResult, Plan, Prefix


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
        self._services = {service.name: service for service in config.services}
        self._trusting = trusting
        self._fresh: set[str] = set(self._health) if trusting else set()
        """Services with a verdict of this process; what the record says is no longer proof."""
        self._flaps = dict(known.flaps)
        self._clock = time.time() - time.monotonic()
        self._orders: tuple[Ordered, ...] = ()
        self._lowered = dict(known.lowered)
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
            flaps=dict(self._flaps),
            lowered=dict(self._lowered),
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
        for name in names:
            self._flaps.pop(name, None)
        self.version += 1

    def order(self, orders: tuple[Ordered, ...]) -> bool:
        """Take what the operator has drained; tell whether that is something else than before."""
        for lifted in self._lowered.keys() - {one.target for one in orders}:
            del self._lowered[lifted]
        if orders == self._orders:
            return False
        self._orders = orders
        self.version += 1
        return True

    def expire(self, now: float) -> None:
        """End the drains whose time is over at `now`, which is wall clock as they are."""
        self.order(tuple(one for one in self._orders if one.until is None or now < one.until))

    def adopt(self, config: Config) -> None:
        """Take another config. Services that it still has keep their verdict until the next."""
        self.config = config
        self._services = {service.name: service for service in config.services}
        self._health = {s.name: self._health.get(s.name, Health()) for s in config.services}
        self._fresh &= self._health.keys()
        self.version += 1

    def confirmed(self, plan: Plan, prefixes: Iterable[Prefix], at: float) -> None:
        """Take the router's word, which shows the plan."""
        self.held = Held.of(prefixes, plan)
        for order in self._orders:
            lowered = any(
                one.graceful_shutdown and order.target in {one.service, str(one.prefix)}
                for one in plan.announcements
            )
            if lowered:
                self._lowered.setdefault(order.target, at)

    def observed(self, at: float) -> Observed:
        """Freeze the facts. `at` decides which waits are over."""
        return Observed(
            health={name: self._shown(name) for name in self._health},
            interfaces=self._host.interfaces,
            addresses=self._host.addresses,
            down=self._host.down,
            drains={order.target: self._drain(order, at) for order in self._orders},
            damped={
                name: self._waiting(name, until)
                for name in self._health
                if at < (until := self._returns(name))
            },
        )

    def next_change(self, at: float) -> float | None:
        """Return the time at which `observed` will say something else by itself, if ever."""
        times = [self._returns(name) for name in self._health]
        times += [
            lowered + self._drain_time(target)
            for target, lowered in self._lowered.items()
            if any(order.target == target for order in self._orders)
        ]
        return min((one for one in times if one > at), default=None)

    def _judge(self, name: str, health: Health, at: float) -> bool:
        before, first = self._health[name], name not in self._fresh
        self._health[name] = health
        # A check that could not run proves nothing of what an earlier process has found up.
        if decided(health) and (health.unknown_since is None or health.verdict is Verdict.DOWN):
            self._fresh.add(name)
        turned = before.verdict is not health.verdict
        if before.verdict is Verdict.UP and health.verdict is Verdict.DOWN:
            self._count(name, at)
        if turned or (first and name in self._fresh):
            self._turns.append((name, health))
            if (seen := self._signs.pop(name, None)) is not None:
                self._evidence[name] = seen
            self.version += 1
            return True
        return False

    def _count(self, name: str, at: float) -> None:
        """Count a withdrawal, unless there was nothing to withdraw."""
        if at >= self._returns(name) and (self._trusting or name in self.held.services):
            half_life = self._services[name].dns.half_life
            flaps = self._flaps.get(name, Flaps())
            self._flaps[name] = flapped(flaps, at=at, half_life=half_life)

    def _returns(self, name: str) -> float:
        """Return the time from which a service may be announced again, as far as flaps count."""
        flaps = self._flaps.get(name, Flaps())
        half_life = self._services[name].dns.half_life
        return flaps.at + wait(flaps, at=flaps.at, half_life=half_life)

    def _waiting(self, name: str, until: float) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(self._clock + until))
        count = self._flaps[name].count
        return f"{name} has gone down {count} times: it waits until {clock}, or for `undrain`"

    def _shown(self, name: str) -> Health:
        """Say what stands for a service's health until this process has a verdict."""
        health = self._health[name]
        if name in self._fresh:
            return health
        return unproved(health, announced=name in self.held.services)

    def _drain(self, order: Ordered, at: float) -> Drain:
        stage_ = stage(
            announced=order.target in self.held,
            lowered_at=self._lowered.get(order.target),
            drain_time=self._drain_time(order.target),
            at=at,
        )
        facts = [order.reason] if order.reason else []
        if order.until is not None:
            facts.append(f"until {time.strftime('%F %T', time.localtime(order.until))}")
        return Drain(stage_, ", ".join(facts))

    def _drain_time(self, target: str) -> float:
        names = {service.name: service.anycast.drain_time for service in self.config.services}
        return names.get(target, max(names.values()))
