"""What is known now about the services and this host: the only state that changes.

No I/O and no clock. The daemon's tasks and `apply` write facts here; `observed` freezes them into
the value that a plan rests on. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide import trial
from anycast_routed.decide.plan import plan
from anycast_routed.facts.draining import Draining
from anycast_routed.facts.flapping import Flapping
from anycast_routed.facts.unseen_falls import UnseenFalls
from anycast_routed.facts.verdicts import Recorded, Verdicts
from anycast_routed.model import CheckKey, Health, Held, Host, Observed, Verdict
from anycast_routed.state import recorded_checks
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.facts.verdicts import Asked, Judged
    from anycast_routed.model import CheckResult, Finding, Plan
    from anycast_routed.state.drain_orders import Ordered


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
        self.blackholes = known.blackholes
        """What may be announced whose address is elsewhere; None if an older version ran before."""
        self._known = known
        self._host = host
        self._services = {service.name: service for service in config.services}
        checks, trials = recorded_checks.read(known.checks), recorded_checks.trials(known)
        self._verdicts = Verdicts(config, known.health, recorded, checks, trials)
        self._flapping = Flapping(known.flaps)
        self._draining = Draining(known.lowered)
        self._unseen = UnseenFalls()

    @property
    def checks(self) -> Mapping[CheckKey, Health]:
        """The health of each check."""
        return self._verdicts.health

    @property
    def trials(self) -> Mapping[CheckKey, Health]:
        """The health of each changed check that is on trial."""
        return {key: one.health for key, one in self._verdicts.trials.items()}

    @property
    def host(self) -> Host:
        """The interfaces and addresses of this host."""
        return self._host

    @property
    def unproved(self) -> frozenset[str]:
        """The services with a check on which this process has no verdict yet."""
        return self._verdicts.unproved

    @property
    def evidence(self) -> dict[str, float]:
        """When the first sign of each service's latest turn was seen, until it is reported."""
        return dict(self._verdicts.evidence)

    def forget_evidence(self, reported: Mapping[str, float]) -> None:
        """Forget the signs whose consequences have been reported."""
        self._verdicts.forget_evidence(reported)

    def take_turns(self) -> list[tuple[str, Health]]:
        """Return each change of a service's verdict since the last call, oldest first."""
        return self._verdicts.take_turns()

    def asked(self) -> list[Asked]:
        """Return all checks to run: those that decide, and the changed ones on trial."""
        return self._verdicts.asked()

    def is_asked(self, check: CheckKey, by: Dns) -> bool:
        """Tell whether this check still decides, or is on trial."""
        return self.decides(check, by) or self._verdicts.on_trial(check, by)

    def decides(self, check: CheckKey, by: Dns) -> bool:
        """Tell whether it is this check that decides."""
        return self._verdicts.decides(check, by)

    def settled(self, check: CheckKey, by: Dns | None = None) -> bool:
        """Tell whether this process has a verdict on the check, and no result against it since."""
        return self._verdicts.settled(check, by)

    def trial_findings(self, verb: str) -> dict[CheckKey, Finding | None]:
        """Return each changed check on trial, with a finding if it fails; `verb` takes configs."""
        deciding = self._verdicts.deciding
        return {
            key: trial.failure(key.service, deciding[key], one, verb)
            for key, one in self._verdicts.trials.items()
        }

    def record(self, router: str) -> Record:
        """Return what the next process of this boot needs to know."""
        return Record(
            boot=self._known.boot,
            router=router,
            health=dict(self._verdicts.health),
            flaps=dict(self._flapping.flaps),
            lowered=dict(self._draining.lowered),
            config=self.digest,
            blackholes=self.blackholes,
            checks=recorded_checks.written(self._verdicts.deciding),
            tried=recorded_checks.written(
                {key: one.check for key, one in self._verdicts.trials.items()}
            ),
            trials=dict(self.trials),
        )

    def fold(
        self,
        check: CheckKey,
        result: CheckResult,
        *,
        began: float,
        at: float,
        by: Dns | None = None,
    ) -> bool:
        """Add one check's result; tell whether the verdict has changed, or is the first one.

        During a trial, `by` is the check that was asked; None is the one that decides. A result of
        a check that the config no longer has is ignored.
        """
        judged = self._verdicts.fold(check, result, began=began, at=at, by=by)
        return self._count(check, judged, at)

    def died(
        self, check: CheckKey, reason: str, *, seen: float, at: float, grace: float = 0.0
    ) -> bool:
        """Add the proof that the server died or hung; tell whether the verdict has changed.

        During a trial, it is the server of the check that decides. `grace`: for so many seconds
        after `seen` it is no flap if the server answers again.
        """
        return self._count(check, self._verdicts.died(check, reason, seen=seen), at, seen + grace)

    def returned(self, check: CheckKey, *, at: float, same_sockets: bool) -> bool:
        """Take in that a dead server answers again; tell whether its death was no flap.

        It was none if the server answers within the grace of its death and has kept its sockets.
        """
        self._unseen.returned(check.service, at, same_sockets=same_sockets)
        forgiven = self._flapping.returned(check.service, at, same_sockets=same_sockets)
        self.version += forgiven
        return forgiven

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

    def adopt(self, config: Config, *, forced: bool = False) -> bool:
        """Put another config in force: what is announced stays until there are other verdicts.

        A changed check of a service that is up is on trial, unless it is `forced`.

        Returns:
            Whether other checks are to be run than before.
        """
        before = self.asked()
        self.config = config
        self._services = {service.name: service for service in config.services}
        self._verdicts.adopt(config, forced=forced)
        self.held = self.held.under(plan(config, self.observed(0.0)))
        self.version += 1
        return self.asked() != before

    def confirmed(self, shown: Plan, held: Held, at: float, *, complete: bool = True) -> None:
        """Take in what the router holds after a step for this plan.

        Not `complete`: a newer plan ended the wait for the proof, so the router may have sent all
        of this one to its peers without having shown that.
        """
        if shown.services != tuple(self._services):
            held = held.under(plan(self.config, self.observed(0.0)))
        sent = frozenset() if complete else frozenset(one.service for one in shown.announcements)
        self.hold(replace(held, exporting=held.exporting | sent))
        self._draining.confirmed(shown, at)

    def hold(self, held: Held) -> None:
        """Take in what the router holds; its services are those of the config in force."""
        before, self.held = self.held, held
        for service, at, until in self._unseen.seen(before, held):
            self._withdrawn(service, at, until)

    def unreachable(self) -> None:
        """Take in that the router does not answer: nothing proves any longer that it exports."""
        self.held = replace(self.held, exporting=frozenset())

    def begin_step(self) -> None:
        """Take in that a step begins: it announces nothing that went down before."""
        self._unseen.begin_step()

    def observed(self, at: float) -> Observed:
        """Freeze the facts. `at` decides which waits are over."""
        return Observed(
            checks={
                key: self._verdicts.shown(key, announced=key.service in self.held.services)
                for key in self._verdicts.health
            },
            interfaces=self._host.interfaces,
            addresses=self._host.addresses,
            down=self._host.down,
            vrfs=self._host.vrfs,
            drains=self._draining.drains(self.config, self.held, at),
            damped={
                service: self._flapping.sentence(service, until)
                for service, (since, until) in self._waits()
                if since <= at < until
            },
        )

    def next_change(self, at: float) -> float | None:
        """Return the time at which `observed` changes without a new fact; None if never."""
        times = [time for _, wait in self._waits() if wait[0] < wait[1] for time in wait]
        times += self._draining.changes(self.config)
        return min((one for one in times if one > at), default=None)

    def _count(self, check: CheckKey, judged: Judged | None, at: float, until: float = 0.0) -> bool:
        """Count a withdrawal, unless no peer saw it; return whether the service has turned."""
        if judged is None:
            return False
        service = check.service
        if judged.before.verdict is Verdict.UP and judged.after.verdict is Verdict.DOWN:
            if service in self.held.exporting:
                self._withdrawn(service, at, until)
            else:
                self._unseen.add(service, at, until, held=service in self.held.services)
        self.version += judged.turned
        return judged.turned

    def _withdrawn(self, service: str, at: float, until: float) -> None:
        if service in self._services:
            self._flapping.count(service, self._half_life(service), at, until)

    def _waits(self) -> Iterator[tuple[str, tuple[float, float]]]:
        """Yield from when until when its flaps withhold each service, in monotonic seconds."""
        for service in self._services:
            # While it is down, its last death may still prove to be no flap.
            down = self._verdicts.of_service(service).verdict is Verdict.DOWN
            since = self._flapping.settled(service) if down else 0.0
            yield service, (since, self._flapping.returns(service, self._half_life(service)))

    def _half_life(self, service: str) -> float:
        return self._services[service].dns.half_life
