"""The cycle: plan, withdraw, read, render, load, prove. `apply` takes one step, the daemon many."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anycast_routed.announce import owner, router_file, transaction
from anycast_routed.announce.confirm import PATIENT, Patience
from anycast_routed.announce.withdraw import shorten_file, withdraw_all, withdraw_unplanned
from anycast_routed.decide.dead import held_by_service
from anycast_routed.decide.plan import plan, revive_nothing
from anycast_routed.decide.proof import bearable
from anycast_routed.errors import AnycastRoutedError, RouterUnavailableError
from anycast_routed.reconcile import after_proof, blackholes, withdraw_early
from anycast_routed.reconcile.rendering import render
from anycast_routed.state import record
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.decide.diff import Change
    from anycast_routed.model import Observed, Origin, Permit, Plan, Prefix, Readback
    from anycast_routed.reconcile.after_proof import Answers


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that one step rests on, frozen before the step begins."""

    config: Config
    observed: Observed
    held: frozenset[Prefix]
    """What the router is known to hold."""
    unproved: frozenset[str] = frozenset()
    """Services without a verdict of this process: none of their prefixes is newly announced."""
    before: Readback | None = None
    """A read-back from just now, if there is one; otherwise the step reads."""
    blackholes: Mapping[Prefix, Permit] | None = field(default_factory=dict)
    """What may be announced whose address is elsewhere; None if an older version ran before."""
    withdrawn: frozenset[Prefix] = frozenset()
    """What `withdraw_early.of_dead` has just withdrawn."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What one step leaves for the next; empty before the first step."""

    readback: Readback | None = None
    """What the router is known to hold: the latest read-back, as far as it is proved."""
    confirmed: Plan | None = None
    """The latest plan, if the router was proved to run it."""
    planned: tuple[Config, Observed, Plan] | None = None
    """The latest plan as decided, with what it was decided from."""
    answers: Answers | None = None
    """What the router answered after the latest proof."""
    held: Mapping[str, frozenset[Prefix]] = field(default_factory=dict)
    """What the router holds for each service that announces it, by the latest plan."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was carried out."""

    plan: Plan
    outcome: transaction.Outcome
    changes: tuple[Change, ...]
    """From what the router was known to hold before the step, to the plan."""
    drifted: bool
    """The plan was in force already, but the router had lost or changed something."""
    origins: tuple[Origin, ...]
    """What else announces our prefixes; asked last, since it must delay no withdrawal."""
    undo_in: float | None
    """Seconds until the router undoes its config by itself, and needs a step."""
    memory: Memory
    """What the next step needs."""
    blackholes: dict[Prefix, Permit] = field(default_factory=dict)
    """What may be announced whose address is elsewhere."""


def recall(config: Config, speaker: Speaker) -> Record:
    """Return the record of the last process of this boot, or an empty one.

    Without a record, and after a restart of a router that keeps its own config (FRR), what the
    router announces rests on no verdict. It is withdrawn here, before any check.
    """
    owner.refuse_file(speaker)  # also its unfinished files
    router_file.sweep(speaker)
    known, router = remembered(config), incarnation(speaker)
    if known.router != router and speaker.incarnation():
        owner.refuse(speaker)
        withdraw_all(speaker)
    return replace(known, router=router)


def remembered(config: Config) -> Record:
    """Return the record of the last process of this boot, or an empty one."""
    return record.load(config.daemon.run_dir) or Record(record.this_boot(), "")


def remember(config: Config, latest: Record) -> None:
    """Write the record for the next process.

    Raises:
        CannotWriteError, AccessDeniedError: there is no new record; the old one stands.
    """
    record.keep(config.daemon.run_dir, latest)


def incarnation(speaker: Speaker) -> str:
    """Return the router's name and incarnation as the record holds them."""
    return f"{speaker.name} {speaker.incarnation()}".strip()


def step(
    inputs: Inputs,
    speaker: Speaker,
    memory: Memory | None = None,
    *,
    patience: Patience = PATIENT,
) -> Step:
    """Bring the router to the plan and prove it. Always the whole plan, never a difference.

    What is held and no longer desired is withdrawn first, by the short way, before anything is
    read, rendered or loaded. After a withdrawal the router is read again.

    Raises:
        AnycastRoutedError: as `owner.refuse`, `transaction.bring` and `rendering.render`. What is
            no longer desired is withdrawn all the same, as far as the router answers.
    """
    memory, begun = memory or Memory(), time.monotonic()
    planned, known = _plan(inputs, memory), memory.readback or inputs.before
    before = _withdraw_and_read(inputs, speaker, planned, known)
    desired, permits = _settled(inputs, speaker, planned, before)
    outcome = _bring(inputs.config, speaker, desired, before, patience)
    outcome = replace(outcome, seconds=time.monotonic() - begun)
    outcome, answers = _look_further(speaker, desired, outcome, memory.answers)
    done, known_now = after_proof.proved(desired, known or before, outcome)
    return Step(
        plan=desired,
        outcome=outcome,
        changes=done,
        drifted=_is_repaired(memory, desired, before, outcome),
        origins=answers.origins if answers else (),
        undo_in=after_proof.undo_in(speaker),
        memory=Memory(
            readback=known_now,
            confirmed=desired if outcome.confirmed else None,
            planned=(inputs.config, inputs.observed, planned),
            answers=answers,
            held=held_by_service(planned, (one.prefix for one in outcome.readback.originated)),
        ),
        blackholes=permits,
    )


def _is_repaired(
    memory: Memory, desired: Plan, before: Readback, outcome: transaction.Outcome
) -> bool:
    """Tell whether the router had lost or changed something of a plan that was in force."""
    if outcome.readback is before or memory.confirmed != desired:
        return False
    return bool(after_proof.proved(desired, before, outcome)[0])


def _settled(
    inputs: Inputs, speaker: Speaker, planned: Plan, before: Readback
) -> tuple[Plan, dict[Prefix, Permit]]:
    """Return the plan without what must not be announced now, and the permits from now on.

    What the router has lost rests on no verdict of this process.
    """
    originated = frozenset(route.prefix for route in before.originated)
    proved = revive_nothing(planned, inputs.unproved, originated)
    return blackholes.settled(speaker, proved, inputs.blackholes, originated)


def _look_further(
    speaker: Speaker, desired: Plan, outcome: transaction.Outcome, latest: Answers | None
) -> tuple[transaction.Outcome, Answers | None]:
    """Ask for the causes of missing exports, and for what else announces the prefixes.

    Only of a router that is proved to run the plan: a newer plan is more urgent.
    """
    if not outcome.confirmed:
        return outcome, None
    fragile = outcome.readback.version.fragile
    found = after_proof.ask(speaker, desired, outcome.faults, latest, fragile=fragile)
    return replace(outcome, faults=after_proof.with_causes(outcome.faults, found)), found


def _withdraw_and_read(
    inputs: Inputs, speaker: Speaker, desired: Plan, known: Readback | None
) -> Readback:
    """Withdraw what is held and not desired; return a read-back that is newer than that.

    Raises:
        RouterUnavailableError, OtherOwnerError: its file was shortened; another instance has it.
    """
    gone = inputs.held - {one.prefix for one in desired.announcements}
    try:
        if left := gone - inputs.withdrawn:
            withdraw_early.of_plan(inputs, speaker, desired, left)
        return owner.read(speaker) if gone or inputs.before is None else inputs.before
    except RouterUnavailableError:
        shorten_file(speaker, bearable(desired, known.originated if known else ()))
        raise


def _plan(inputs: Inputs, memory: Memory) -> Plan:
    """Return the plan; the latest one for the same inputs, since 10,000 prefixes take long."""
    if memory.planned is not None:
        config, observed, decided = memory.planned
        if config is inputs.config and observed == inputs.observed:
            return decided
    return plan(inputs.config, inputs.observed)


def _bring(
    config: Config, speaker: Speaker, desired: Plan, before: Readback, patience: Patience
) -> transaction.Outcome:
    """Render, load and prove.

    A broken template, or a password that cannot be read, does not prevent the withdrawal of a dead
    service. A service that would be lowered is withdrawn then: only a load can lower it.
    """
    try:
        text = render(config, speaker, desired)
    except AnycastRoutedError:
        withdraw_unplanned(speaker, desired, before)
        raise
    return transaction.bring(speaker, desired, text, before, patience)
