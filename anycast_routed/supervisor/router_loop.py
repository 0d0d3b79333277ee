"""The loop: whenever a fact has changed, and every few seconds, the whole wish goes to the router.

It always takes the whole wish, never a difference, so a lost or doubled wake-up is harmless, and
a router that has restarted or was edited by hand is put right by the same few lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from anycast_routed.announce import choose, transaction
from anycast_routed.announce.confirm import Patience
from anycast_routed.decide.plan import plan, revive_nothing
from anycast_routed.decide.proof import bearable, changes, wanted
from anycast_routed.errors import (
    AnycastRoutedError,
    HostError,
    RouterUnavailableError,
)
from anycast_routed.model import Held, Plan
from anycast_routed.reconcile import cycle
from anycast_routed.state import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.decide.proof import Change
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Observed, Prefix, Readback

T = TypeVar("T")
Planned: TypeAlias = "tuple[Config, Observed, Plan]"

EVERY = 3.0
"""Seconds from one read-back to the next: drift is put right within 5 s."""
_FIRST_RETRY = 0.2
_SLOWEST_RETRY = 2.0
# From the start of a session BIRD 2.0.12 holds its routes back for 3 s, unless someone asks it
# something: so for a while it is asked more often.
_LIVELY = 5.0
_LIVELY_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Done:
    """One pass, for those who tell of it."""

    plan: Plan
    outcome: transaction.Outcome
    changes: tuple[Change, ...]
    """From what the router was last known to hold, whatever the steps."""
    evidence: Mapping[str, float]
    """When the first sign of each service's latest turn was seen."""
    drifted: bool
    """Nothing was to change, and yet the router was not as it had been confirmed."""


class Loop:
    """Keeps the router at the plan. `speaker` is None until a router has been found."""

    def __init__(self, facts: Facts, wake: asyncio.Event) -> None:
        self._facts = facts
        self._wake = wake
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="announce")
        self.speaker: Speaker | None = None
        self._applied: Plan | None = None
        self._readback: Readback | None = None
        self._planned: Planned | None = None
        """The latest plan, beside what it was made from."""
        self._retry = 0.0
        self._lively_until = 0.0
        """The sessions were others a moment ago."""

    async def once(self) -> Done | AnycastRoutedError:
        """Make one pass, and return what it did or why it could not. Raises nothing else."""
        self._wake.clear()
        begun = time.monotonic()
        try:
            while self.speaker is None:
                await self._meet()
            done, self._planned = await self._in_thread(self._pass(begun))
        except AnycastRoutedError as error:
            self._retry = min(max(2 * self._retry, _FIRST_RETRY), _SLOWEST_RETRY)
            self._applied = None
            if not isinstance(error, RouterUnavailableError):
                await self._look_again()
            return error
        else:
            self._retry = 0.0
            self._applied = done.plan if done.outcome.confirmed else None
            if _sessions(done.outcome.readback) != _sessions(self._readback):
                self._lively_until = time.monotonic() + _LIVELY
            self._readback = done.outcome.readback
            held = (route.prefix for route in self._readback.originated)
            self._facts.confirmed(done.plan, held, time.monotonic())
            return done
        finally:
            await self._keep()

    async def sleep(self) -> None:
        """Wait until a fact has changed or will, or it is time to look at the router again."""
        at = time.monotonic()
        until = at + (self._retry or (_LIVELY_EVERY if at < self._lively_until else EVERY))
        if (change := self._facts.next_change(at)) is not None:
            until = min(until, change)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - at)):
                await self._wake.wait()

    async def stop(self, *, withdraw: bool) -> None:
        """End the loop's thread, and withdraw everything where that is wanted.

        Raises:
            NotConfirmedError, RouterUnavailableError: something may still be announced.
        """
        try:
            if withdraw:
                config, speaker = self._facts.config, self.speaker
                await self._in_thread(lambda: _withdraw_all(config, speaker))
        finally:
            await self._keep()
            self._worker.shutdown()

    async def leave_router(self, *, withdraw: bool) -> None:
        """Forget the router, and withdraw everything where the config no longer names it.

        Forgotten at once: a pass that begins while we withdraw must not announce there again.

        Raises:
            NotConfirmedError, RouterUnavailableError: something may still be announced there.
        """
        speaker, self.speaker = self.speaker, None
        if withdraw and speaker is not None:
            await self._in_thread(lambda: transaction.withdraw_all(speaker))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do what blocks beside the event loop, one at a time and to its end.

        Raises:
            HostError: this host lacks descriptors or memory, which passes.
        """
        doing = asyncio.get_running_loop().run_in_executor(self._worker, work)
        try:
            return await asyncio.shield(doing)
        except OSError as error:
            message = f"this host does not let us work: {error.strerror or error}"
            raise HostError(message, hint="see ulimit -a, and the memory") from error
        except asyncio.CancelledError:
            # The thread cannot be stopped: who cancels us must find the router left alone.
            with contextlib.suppress(AnycastRoutedError, OSError):
                await doing
            raise

    async def _meet(self) -> None:
        """Find the router, and see what it has of ours: that stands until there are verdicts."""
        config = self._facts.config
        decision = plan(config, self._facts.observed(time.monotonic()))

        def meet() -> tuple[Speaker, Readback]:
            try:
                speaker = choose.choose(config)
                cycle.recall(config, speaker)
                return speaker, speaker.read()
            except RouterUnavailableError:
                cycle.disarm(config, decision)
                raise

        speaker, before = await self._in_thread(meet)
        if config.router != self._facts.config.router:
            return  # It is another router's turn, since a moment ago.
        self.speaker = speaker
        held = (route.prefix for route in before.originated)
        self._facts.held = Held.of(held, decision)
        self._readback, self._applied = before, None

    def _pass(self, begun: float) -> Callable[[], tuple[Done, Planned]]:
        """Freeze the facts, and return the work on them, which needs nothing else of the loop."""
        config, facts, applied, known = (
            self._facts.config,
            self._facts,
            self._applied,
            self._readback,
        )
        version, observed, held = facts.version, facts.observed(begun), facts.held.prefixes
        unproved, evidence, speaker = facts.unproved, facts.evidence, self.speaker
        planned = self._planned
        assert speaker is not None  # nosec B101  # noqa: S101 - _meet found it, or raised

        def work() -> tuple[Done, Planned]:
            if planned is not None and planned[0] is config and planned[1] == observed:
                decision = planned[2]  # Ten thousand prefixes take a while to plan.
            else:
                decision = plan(config, observed)
            made = (config, observed, decision)
            try:
                _withdraw_first(speaker, held - wanted(decision).keys())
                before = speaker.read()
            except RouterUnavailableError:
                transaction.disarm(speaker, bearable(decision, known.originated if known else ()))
                raise
            originated = frozenset(route.prefix for route in before.originated)
            decision = revive_nothing(decision, unproved, originated)
            wish = cycle.Wish(decision, before, changes(decision, before))
            patience = Patience(lambda: facts.version != version, await_sessions=False)
            outcome = cycle.announce(config, speaker, wish, patience)
            drifted = applied == decision and bool(wish.changes)
            told = changes(decision, known or before)
            return Done(decision, outcome, told, evidence, drifted), made

        return work

    async def _look_again(self) -> None:
        """Take in what a pass that has failed has withdrawn all the same."""
        if (speaker := self.speaker) is not None:
            with contextlib.suppress(AnycastRoutedError):
                after = await self._in_thread(speaker.read)
                self._facts.hold(route.prefix for route in after.originated)

    async def _keep(self) -> None:
        if (speaker := self.speaker) is None:
            return
        run_dir = self._facts.config.daemon.run_dir
        # A record that cannot be written costs the next process a few probes.
        with contextlib.suppress(AnycastRoutedError):
            latest = self._facts.record(cycle.life(speaker))
            await self._in_thread(lambda: record.keep(run_dir, latest))


def _sessions(readback: Readback | None) -> frozenset[tuple[str, bool]]:
    return (
        frozenset((one.name, one.established) for one in readback.sessions)
        if readback
        else frozenset()
    )


def _withdraw_all(config: Config, speaker: Speaker | None) -> None:
    try:
        speakers = (speaker,) if speaker else choose.every(config)
    except RouterUnavailableError:
        # None runs, so nothing is announced; and what BIRD would start with is to be nothing.
        cycle.disarm(config, Plan((), None, (), ()))
    else:
        with contextlib.ExitStack() as each:
            for one in speakers:
                each.callback(transaction.withdraw_all, one)


def _withdraw_first(speaker: Speaker, gone: frozenset[Prefix]) -> None:
    """Take what must go off the air by the short way; the long way comes after it.

    Raises:
        RouterUnavailableError: it would not answer the long way either.
    """
    try:
        if gone:
            transaction.withdraw_first(speaker, gone)
    except RouterUnavailableError:
        raise
    except AnycastRoutedError:
        pass  # The whole pass will say so, after it has tried harder.
