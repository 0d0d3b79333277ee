"""The router loop: take one step of the cycle whenever a fact changed, and every few seconds.

Each step brings the whole plan to the router, never a difference. So a lost or doubled wake-up is
harmless, and the same step repairs a router that restarted or was edited by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, guard_file, owner
from anycast_routed.announce.confirm import Patience
from anycast_routed.announce.owner import OtherOwnerError
from anycast_routed.announce.withdraw import shorten_files, withdraw_all, withdraw_everywhere
from anycast_routed.decide.plan import plan
from anycast_routed.decide.proof import bearable
from anycast_routed.errors import AnycastRoutedError, RouterUnavailableError
from anycast_routed.model import Held
from anycast_routed.reconcile import cycle, withdraw_early
from anycast_routed.supervisor.read_back_pace import ReadBackPace
from anycast_routed.supervisor.router_thread import RouterThread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Prefix, Readback

_LOAD_WITHIN = 5.0  # seconds; FRR takes longer for many route-maps, and the watchdog waits for it
# So long the first step waits for a verdict, which takes two checks, 100 ms apart: then one load
# brings the sessions and the prefixes.
_FIRST_VERDICT = 0.2
# A read-back that is older than this may have missed another instance.
_FRESH = 0.1


@dataclass(frozen=True, slots=True)
class Done:
    """One step, for the reporter."""

    step: cycle.Step
    held: Held
    """What the router holds after it."""
    evidence: Mapping[str, float]
    """When the first sign of each service's latest turn was seen (monotonic seconds)."""


class RouterLoop:
    """Keeps the router at the plan. `speaker` is None until a router was found."""

    def __init__(self, facts: Facts, wake: asyncio.Event) -> None:
        self._facts = facts
        self._wake = wake
        self._thread = RouterThread()
        self.speaker: Speaker | None = None
        self._memory = cycle.Memory()
        self._pace = ReadBackPace()

    async def once(self) -> Done | AnycastRoutedError:
        """Take one step, and return it or why it failed.

        Raises:
            OtherOwnerError: another instance owns the router. Nothing else is raised.
        """
        self._wake.clear()
        try:
            before, withdrawn = await self._withdraw_dead()
            done = await self._thread.run(self._step(before, withdrawn))
        except OtherOwnerError:
            raise
        except AnycastRoutedError as error:
            self._pace.failed()
            self._memory = replace(self._memory, confirmed=None, held={})
            if isinstance(error, RouterUnavailableError):
                self._facts.unreachable()
            else:
                await self._read_again()
            return error
        else:
            if not done.step.outcome.confirmed:
                self._wake.set()  # The next step loads the rest, or a newer plan.
            before, self._memory = self._memory.readback, done.step.memory
            after, at = done.step.outcome.readback, time.monotonic()
            self._pace.done(before, after, done.step.undo_in, at)
            # Without a session, nothing was sent that the read-back does not show.
            complete = done.step.outcome.confirmed or not after.exported
            self._facts.confirmed(done.step.plan, done.held, at, complete=complete)
            self._facts.blackholes = done.step.blackholes
            return done
        finally:
            await self._remember()

    async def sleep(self) -> None:
        """Wait until a fact changed or will change, or until the next read-back is due."""
        at = time.monotonic()
        until = self._pace.next(self._memory.readback, at)
        if (change := self._facts.next_change(at)) is not None:
            until = min(until, change)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - at)):
                await self._wake.wait()

    async def stop(self, *, withdraw: bool) -> None:
        """End the loop's thread; with `withdraw`, withdraw everything before.

        Raises:
            NotConfirmedError, RouterUnavailableError: something may still be announced.
        """
        try:
            if withdraw:
                known = self.speaker
                await self._thread.run(lambda: withdraw_everywhere(self._facts.config, known))
        finally:
            await self._remember()
            self._thread.shutdown()

    async def leave_router(self, *, withdraw: bool) -> None:
        """Forget the router; with `withdraw`, withdraw everything there.

        It is forgotten first: a step that begins meanwhile must not announce there again.

        Raises:
            NotConfirmedError, RouterUnavailableError: something may still be announced there.
        """
        speaker, self.speaker = self.speaker, None
        if withdraw and speaker is not None:
            await self._thread.run(lambda: withdraw_all(speaker))

    async def _first_verdict(self) -> None:
        """Wait until a service has its first verdict of this process, but not for long."""
        undecided = self._facts.unproved
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_VERDICT):
                while undecided and self._facts.unproved == undecided:
                    await self._wake.wait()
                    self._wake.clear()

    async def _find_router(self) -> Readback | None:
        """Find the router, and return what it holds: that stays until there are verdicts."""
        config = self._facts.config
        desired = plan(config, self._facts.observed(time.monotonic()))

        def find() -> tuple[Speaker, Readback]:
            try:
                speaker = choose.choose(config)
                cycle.recall(config, speaker)
                guard_file.keep(config, speaker)
                return speaker, owner.read(speaker)
            except RouterUnavailableError:
                shorten_files(config, bearable(desired, ()))
                raise

        speaker, before = await self._thread.run(find)
        if config.router != self._facts.config.router:
            return None  # Another config came into force meanwhile, with another router.
        self.speaker = speaker
        self._facts.hold(Held.of(before, desired))
        self._memory = replace(self._memory, readback=before, confirmed=None, held={})
        return before

    async def _withdraw_dead(self) -> tuple[Readback | None, frozenset[Prefix]]:
        """Withdraw what the router, found first, holds for dead services.

        No plan is made before. Services that die meanwhile are next: none waits for a step.

        Returns:
            What was read just now, if the router was found, and what was withdrawn.
        """
        facts = self._facts
        before: Readback | None = None
        gone: frozenset[Prefix] = frozenset()
        while True:
            while self.speaker is None:
                before, gone = await self._find_router_first(), frozenset()
            observed = facts.observed(time.monotonic())
            more = withdraw_early.dead(self._memory, facts.config, observed) - gone
            if not more:
                return None if gone else before, gone
            done = await self._thread.run(partial(withdraw_early.of_dead, self.speaker, more))
            gone |= more if done else frozenset()
            self._memory = self._memory if done else replace(self._memory, held={})

    async def _find_router_first(self) -> Readback | None:
        """Find the router, wait for a verdict, and return what was read, unless it is old."""
        before, read_at = await self._find_router(), time.monotonic()
        await self._first_verdict()
        return before if time.monotonic() - read_at <= _FRESH else None

    def _step(self, before: Readback | None, withdrawn: frozenset[Prefix]) -> Callable[[], Done]:
        """Freeze the facts, and return the work on them, which needs nothing else of the loop."""
        self._wake.clear()
        facts, memory, speaker = self._facts, self._memory, self.speaker
        assert speaker is not None  # nosec B101  # noqa: S101 - _find_router found it, or raised
        version, evidence = facts.version, facts.evidence
        facts.begin_step()
        inputs = cycle.Inputs(
            facts.config,
            facts.observed(time.monotonic()),
            facts.held.prefixes,
            facts.unproved,
            before,
            blackholes=facts.blackholes,
            withdrawn=withdrawn,
        )
        patience = Patience(
            lambda: facts.version != version, await_sessions=False, load_within=_LOAD_WITHIN
        )

        def work() -> Done:
            step = cycle.step(inputs, speaker, memory, patience=patience)
            if step.outcome.changed:
                guard_file.keep(inputs.config, speaker)
            return Done(step, Held.of(step.outcome.readback, step.plan), evidence)

        return work

    async def _read_again(self) -> None:
        """After a failed step, read what it withdrew all the same."""
        if (speaker := self.speaker) is not None:
            with contextlib.suppress(AnycastRoutedError):
                after = await self._thread.run(speaker.read)
                self._facts.hold(
                    Held.of(after, plan(self._facts.config, self._facts.observed(0.0)))
                )

    async def _remember(self) -> None:
        if (speaker := self.speaker) is None:
            return
        config, facts = self._facts.config, self._facts
        # A record that cannot be written costs the next process a few checks.
        with contextlib.suppress(AnycastRoutedError):
            latest = facts.record(cycle.incarnation(speaker))
            await self._thread.run(lambda: cycle.remember(config, latest))
