"""What is known now about the services and this host: the only state that changes.

No I/O and no clock. The daemon's tasks and `apply` write facts here; `observed` freezes them into
the value that a plan rests on. Times called `at` are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.plan import plan
from anycast_routed.facts.draining import Draining
from anycast_routed.facts.seen_host import SeenHost
from anycast_routed.facts.verdicts import Recorded, Verdicts
from anycast_routed.facts.withdrawals import Withdrawals
from anycast_routed.model import CheckKey, Health, Held, Host, Observed, Verdict
from anycast_routed.state import recorded_checks
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.facts.verdicts import Judged
    from anycast_routed.model import CheckResult, Plan
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
        checks, trials = recorded_checks.read(known.checks), recorded_checks.trials(known)
        self.verdicts = Verdicts(config, known.health, recorded, checks, trials)
        """Which checks run and decide. What changes a verdict goes through the facts."""
        self._withdrawals = Withdrawals(config, known.flaps)
        self._draining = Draining(known.lowered)
        self._host = SeenHost(host, config, self._checks_asked())

    @property
    def checks(self) -> Mapping[CheckKey, Health]:
        """The health of each check."""
        return self.verdicts.health

    @property
    def trials(self) -> Mapping[CheckKey, Health]:
        """The health of each changed check that is on trial."""
        return {key: one.health for key, one in self.verdicts.trials.items()}

    @property
    def host(self) -> Host:
        """The interfaces and addresses of this host that the config in force reads."""
        return self._host.relevant

    @property
    def unproved(self) -> frozenset[str]:
        """The services with a check on which this process has no verdict yet."""
        return self.verdicts.unproved

    @property
    def evidence(self) -> dict[str, float]:
        """When the first sign of each service's latest turn was seen, until it is reported."""
        return dict(self.verdicts.evidence)

    def forget_evidence(self, reported: Mapping[str, float]) -> None:
        """Forget the signs whose consequences have been reported."""
        self.verdicts.forget_evidence(reported)

    def take_turns(self) -> list[tuple[str, Health]]:
        """Return each change of a service's verdict since the last call, oldest first."""
        return self.verdicts.take_turns()

    def record(self, router: str) -> Record:
        """Return what the next process of this boot needs to know."""
        return Record(
            boot=self._known.boot,
            router=router,
            health=dict(self.verdicts.health),
            flaps=dict(self._withdrawals.flapping.flaps),
            lowered=dict(self._draining.lowered),
            config=self.digest,
            blackholes=self.blackholes,
            checks=recorded_checks.written(self.verdicts.deciding),
            tried=recorded_checks.written(
                {key: one.check for key, one in self.verdicts.trials.items()}
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
        judged = self.verdicts.fold(check, result, began=began, at=at, by=by)
        return self._count(check, judged, at)

    def died(
        self, check: CheckKey, reason: str, *, seen: float, at: float, grace: float = 0.0
    ) -> bool:
        """Add the proof that the server died or hung; tell whether the verdict has changed.

        During a trial, it is the server of the check that decides. `grace`: for so many seconds
        after `seen` it is no flap if the server answers again.
        """
        return self._count(check, self.verdicts.died(check, reason, seen=seen), at, seen + grace)

    def returned(self, check: CheckKey, *, at: float, same_sockets: bool) -> bool:
        """Take in that a dead server answers again; tell whether its death was no flap.

        It was none if the server answers within the grace of its death and has kept its sockets.
        """
        forgiven = self._withdrawals.returned(check.service, at, same_sockets=same_sockets)
        self.version += forgiven
        return forgiven

    def see(self, host: Host) -> bool:
        """Replace this host's addresses; tell whether those differ that the config reads."""
        differs = self._host.see(host)
        self.version += differs
        return differs

    def forgive(self, services: Iterable[str]) -> None:
        """Forget how often these services went down: their operator declares them well."""
        self._withdrawals.flapping.forgive(services)
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
        before = self.verdicts.asked()
        self.config = config
        self.verdicts.adopt(config, forced=forced)
        self._withdrawals.adopt(config)
        self._host.adopt(config, self._checks_asked())
        self.held = self.held.under(plan(config, self.observed(0.0)))
        self.version += 1
        return self.verdicts.asked() != before

    def confirmed(self, shown: Plan, held: Held, at: float, *, complete: bool = True) -> None:
        """Take in what the router holds after a step for this plan.

        Not `complete`: a newer plan ended the wait for the proof, so the router may have sent all
        of this one to its peers without having shown that.
        """
        if shown.services != tuple(one.name for one in self.config.services):
            held = held.under(plan(self.config, self.observed(0.0)))
        sent = frozenset() if complete else frozenset(one.service for one in shown.announcements)
        self.hold(replace(held, exporting=held.exporting | sent))
        if complete:
            self._draining.confirmed(shown, at)

    def hold(self, held: Held) -> None:
        """Take in what the router holds; its services are those of the config in force."""
        before, self.held = self.held, held
        self._withdrawals.read_back(before, held)

    def unreachable(self) -> None:
        """Take in that the router does not answer: nothing proves any longer that it exports."""
        self.held = replace(self.held, exporting=frozenset())

    def begin_step(self) -> None:
        """Take in that a step begins: it announces nothing that went down before."""
        self._withdrawals.begin_step()

    def observed_for_any(self, at: float) -> Observed:
        """Freeze the facts for a config that is not in force, which may read more of this host."""
        whole = self._host.whole
        return replace(
            self.observed(at),
            interfaces=whole.interfaces,
            addresses=whole.addresses,
            down=whole.down,
        )

    def observed(self, at: float) -> Observed:
        """Freeze the facts. `at` decides which waits are over."""
        return Observed(
            checks={
                key: self.verdicts.shown(key, announced=key.service in self.held.services)
                for key in self.verdicts.health
            },
            interfaces=self.host.interfaces,
            addresses=self.host.addresses,
            down=self.host.down,
            # A socket of a DNS server may be bound to any of them.
            vrfs=self._host.whole.vrfs,
            drains=self._draining.drains(self.config, self.held, at),
            damped=self._withdrawals.damped(at, self._down()),
        )

    def next_change(self, at: float) -> float | None:
        """Return the time at which `observed` changes without a new fact; None if never."""
        times = self._withdrawals.changes(self._down())
        times += self._draining.changes(self.config)
        return min((one for one in times if one > at), default=None)

    def _count(self, check: CheckKey, judged: Judged | None, at: float, until: float = 0.0) -> bool:
        """Count a withdrawal, unless no peer saw it; return whether the service has turned."""
        if judged is None:
            return False
        service = check.service
        if judged.before.verdict is Verdict.UP and judged.after.verdict is Verdict.DOWN:
            self._withdrawals.went_down(service, at, until, self.held)
        self.version += judged.turned
        return judged.turned

    def _checks_asked(self) -> list[Dns]:
        return [check for _, check in self.verdicts.asked()]

    def _down(self) -> frozenset[str]:
        """Return the services that are down."""
        services = {key.service for key in self.verdicts.health}
        down = Verdict.DOWN
        return frozenset(one for one in services if self.verdicts.of_service(one).verdict is down)
