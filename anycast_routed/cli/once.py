"""One reconcile in this very process, with what has to be in order around it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed import atomic, folder, passwords, reconcile, record
from anycast_routed.announce import transaction
from anycast_routed.decide.compare import unheard
from anycast_routed.decide.shrink import shrinks
from anycast_routed.errors import AnycastRoutedError, Exit
from anycast_routed.model import Reason

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import CheckResult, Prefix

_HEALTH = {Reason.SERVICE_DOWN, Reason.SERVICE_UNDECIDED, Reason.DAMPED, Reason.DRAINED}


@dataclass(frozen=True, slots=True)
class Done:
    """One pass, for those who tell of it."""

    wish: reconcile.Wish
    outcome: transaction.Outcome
    results: dict[str, tuple[CheckResult, ...]]
    file: Path
    text_before: str | None

    @property
    def code(self) -> Exit:
        """How a verb that was nothing but this pass ends."""
        missing = unheard(self.wish.plan, self.outcome.readback)
        return Exit.NOT_CONFIRMED if missing else Exit.OK


def once(config: Config, digest: str, *, allow_shrink: bool = False) -> Done:
    """Check, plan, load what differs, prove it. The caller holds the run folder's lock.

    `digest` tells the config file's content from that of the last run.

    Raises:
        ConfigError: also where a config that has changed would withdraw most of what the router
            has, and `allow_shrink` does not say that it is meant.
        UntrustedError: others than us may write into the state folder.
        AnycastRoutedError: as `reconcile.announce` has it.
    """
    folder.refuse_shared(config.daemon.state_dir)
    config = passwords.read(config)
    speaker = reconcile.choose_speaker(config)
    text_before = atomic.read(speaker.file)
    known = reconcile.recall(config, speaker)
    facts, results = reconcile.observe(config, known, speaker)
    run_dir = config.daemon.run_dir
    try:
        wish = reconcile.wish(config, speaker, facts.observed(time.monotonic()))
        if known.config not in {"", digest} and not allow_shrink:
            held = [route.prefix for route in wish.before.originated]
            gone = shrinks(held, config, facts.observed(time.monotonic()))
            _refuse_to_shrink(speaker, wish, gone)
        outcome = reconcile.announce(config, speaker, wish)
    except AnycastRoutedError:
        with contextlib.suppress(AnycastRoutedError):
            record.keep(run_dir, facts.record(known.router))
        raise
    facts.confirmed(
        wish.plan, (route.prefix for route in outcome.readback.originated), time.monotonic()
    )
    # Only now: a full disk must not stand between a verdict and its withdrawal.
    facts.digest = digest
    record.keep(run_dir, facts.record(known.router))
    return Done(wish, outcome, results, speaker.file, text_before)


def withdraw_sick(config: Config) -> None:
    """Probe, and withdraw what is not healthy: all that is done where no folder is to be trusted.

    What stands in them is not believed, and nothing is announced.
    """
    speaker = reconcile.choose_speaker(config)
    facts, _ = reconcile.observe(config, record.Record(record.this_boot(), ""), speaker)
    wish = reconcile.wish(config, speaker, facts.observed(time.monotonic()))
    transaction.withdraw_unplanned(speaker, wish.plan, wish.before)


def _refuse_to_shrink(speaker: Speaker, wish: reconcile.Wish, gone: Collection[Prefix]) -> None:
    """Refuse, but first withdraw what is to go for its health: nothing may stand before that."""
    if not gone:
        return
    sick = {one.prefix for one in wish.plan.withheld if one.reason in _HEALTH}
    held = (route.prefix for route in wish.before.originated)
    if dead := frozenset(prefix for prefix in held if prefix in sick):
        transaction.withdraw_first(speaker, dead)
    raise reconcile.shrunk(gone, "apply")
