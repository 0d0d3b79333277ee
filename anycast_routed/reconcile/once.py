"""One step in this process, with everything around it that must be in order: what `apply` does."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, owner
from anycast_routed.announce.withdraw import shorten_files, withdraw
from anycast_routed.config import password_files
from anycast_routed.decide.diff import changes
from anycast_routed.decide.plan import plan
from anycast_routed.decide.proof import bearable
from anycast_routed.decide.reload_guard import shrinks
from anycast_routed.errors import AnycastRoutedError, ConfigError, RouterUnavailableError
from anycast_routed.model import Held, Reason
from anycast_routed.reconcile import answering, apply_without_router, blackholes, cycle, probe
from anycast_routed.reconcile.rendering import rehearse
from anycast_routed.state import drain_orders, record
from anycast_routed.system import directories, files
from anycast_routed.system.directories import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.decide.diff import Change
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import CheckKey, CheckResult, Finding, Plan, Prefix, Readback

_UNHEALTHY = {Reason.SERVICE_DOWN, Reason.SERVICE_UNDECIDED, Reason.DAMPED, Reason.DRAINED}
_NAMED = 5  # prefixes that a message names


@dataclass(frozen=True, slots=True)
class Done:
    """One step, with what was checked and written."""

    step: cycle.Step
    results: dict[CheckKey, tuple[CheckResult, ...]]
    file: Path
    text_before: str | None
    unanswered: tuple[Finding, ...]
    """The announced addresses that this host does not answer for."""
    trials: tuple[Finding, ...]
    """The changed checks that fail, so that the old ones still decide."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a step would do."""

    plan: Plan
    before: Readback
    changes: tuple[Change, ...]
    text: str
    """The router config, with passwords in clear."""
    results: dict[CheckKey, tuple[CheckResult, ...]]
    unanswered: tuple[Finding, ...]
    """The addresses to announce that this host does not answer for."""
    trials: tuple[Finding, ...]
    """The changed checks that fail, so that the old ones still decide."""


def once(config: Config, digest: str, *, allow_shrink: bool = False, force: bool = False) -> Done:
    """Check, plan, withdraw, load what differs, and prove it. The caller holds the run lock.

    `digest` tells the config file's content from that of the last run. With `force` a changed check
    decides without a trial.

    Raises:
        ConfigError: also when a changed config would withdraw most of what the router holds, and
            `allow_shrink` does not permit it.
        UntrustedError: other users may write into the state directory.
        UnknownError: the drain orders cannot be read.
        OtherOwnerError: another instance owns the router.
        AnycastRoutedError: as `cycle.step`.
    """
    directories.refuse_shared(config.daemon.state_dir)
    config = password_files.read(config)
    try:
        return _once(config, digest, allow_shrink=allow_shrink, force=force)
    except RouterUnavailableError:
        apply_without_router.probe_and_shorten(config, force=force)
        raise


def preview(config: Config, speaker: Speaker, *, force: bool = False) -> Preview:
    """Check, plan, render, and have the router's parser check the text. Changes nothing."""
    facts, results = probe.observe(config, cycle.remembered(config), speaker, force=force)
    before = speaker.read()
    decided = plan(config, facts.observed(time.monotonic()))
    desired = blackholes.as_recorded(config, speaker, decided)
    text = rehearse(config, speaker, desired, before)
    unanswered = answering.look(config, desired)
    trials = _failed_trials(facts)
    return Preview(desired, before, changes(desired, before), text, results, unanswered, trials)


@contextlib.contextmanager
def withdrawing_if_untrusted(config: Config) -> Iterator[None]:
    """Where a directory cannot be trusted, or no drain order be read, withdraw the unhealthy.

    The services are checked, and the unhealthy ones are withdrawn. The content of the directories
    is ignored, and nothing is announced. Then the error is raised on.
    """
    try:
        yield
    except (UntrustedError, drain_orders.UnknownError):
        _withdraw_unhealthy(config)
        raise


def refuse_shrink(gone: Collection[Prefix], verb: str) -> None:
    """Refuse a config that would withdraw most of what is announced.

    Raises:
        ConfigError: unless `gone` is empty.
    """
    if not gone:
        return
    named = ", ".join(sorted(map(str, gone))[:_NAMED])
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    message = f"the new config would withdraw most of what is announced: {named}{more}"
    raise ConfigError(message, hint=f"if that is meant: anycast-routed {verb} --allow-shrink")


def _once(config: Config, digest: str, *, allow_shrink: bool, force: bool) -> Done:
    speaker = choose.choose(config)
    text_before = files.read(speaker.file)
    known = cycle.recall(config, speaker)
    facts, results = probe.observe(config, known, speaker, force=force)
    try:
        before = owner.read(speaker)
        held = frozenset(route.prefix for route in before.originated)
        observed = facts.observed(time.monotonic())
        inputs = cycle.Inputs(config, observed, held, before=before, blackholes=known.blackholes)
        planned = plan(config, observed)
        facts.hold(Held.of(before, planned))
        if known.config not in {"", digest} and not allow_shrink:
            _refuse_to_shrink(speaker, inputs, planned)
        memory = cycle.Memory(planned=(config, observed, planned))
        step = cycle.step(inputs, speaker, memory)
    except AnycastRoutedError:
        with contextlib.suppress(AnycastRoutedError):
            cycle.remember(config, facts.record(known.router))
        raise
    facts.confirmed(step.plan, Held.of(step.outcome.readback, step.plan), time.monotonic())
    # Only now: a full disk must not come between a verdict and its withdrawal.
    facts.digest, facts.blackholes = digest, step.blackholes
    cycle.remember(config, facts.record(known.router))
    unanswered = answering.look(config, step.plan)
    return Done(step, results, speaker.file, text_before, unanswered, _failed_trials(facts))


def _failed_trials(facts: Facts) -> tuple[Finding, ...]:
    return tuple(one for one in facts.verdicts.failures("apply").values() if one is not None)


def _refuse_to_shrink(speaker: Speaker, inputs: cycle.Inputs, planned: Plan) -> None:
    """Refuse a config that would withdraw most; but withdraw what is unhealthy before that."""
    if gone := shrinks(inputs.held, inputs.config, inputs.observed):
        unhealthy = {one.prefix for one in planned.withheld if one.reason in _UNHEALTHY}
        if dead := frozenset(prefix for prefix in inputs.held if prefix in unhealthy):
            withdraw(speaker, dead)
        refuse_shrink(gone, "apply")


def _withdraw_unhealthy(config: Config) -> None:
    nothing = record.Record(record.this_boot(), "")
    facts: Facts = probe.gather(config, nothing, (), None)
    probe.decide_verdicts(facts)
    observed = facts.observed(time.monotonic())
    desired = plan(config, observed)
    try:
        speaker = choose.choose(config)
        before = owner.read(speaker)
    except RouterUnavailableError:
        shorten_files(config, bearable(desired, ()))
        raise
    held = frozenset(route.prefix for route in before.originated)
    # The last config is unknown, so a config that withdraws most is not trusted here either.
    kept = bearable(desired, before.originated) | shrinks(held, config, observed)
    if gone := held - kept:
        withdraw(speaker, gone)
