"""One reconcile in this very process, with what has to be in order around it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, transaction
from anycast_routed.config import password_files
from anycast_routed.decide.plan import plan
from anycast_routed.decide.proof import bearable, unheard
from anycast_routed.decide.reload_guard import shrinks
from anycast_routed.errors import AnycastRoutedError, Exit, RouterUnavailableError
from anycast_routed.model import Reason
from anycast_routed.reconcile import cycle
from anycast_routed.state import drain_orders, record
from anycast_routed.system import directories, files
from anycast_routed.system.directories import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import CheckResult, Prefix

_HEALTH = {Reason.SERVICE_DOWN, Reason.SERVICE_UNDECIDED, Reason.DAMPED, Reason.DRAINED}


@dataclass(frozen=True, slots=True)
class Done:
    """One pass, for those who tell of it."""

    wish: cycle.Wish
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
        drains.UnknownError: nobody can tell what is drained.
        AnycastRoutedError: as `reconcile.announce` has it.
    """
    directories.refuse_shared(config.daemon.state_dir)
    config = password_files.read(config)
    speaker = choose.choose(config)
    text_before = files.read(speaker.file)
    known = cycle.recall(config, speaker)
    facts, results = cycle.observe(config, known, speaker)
    run_dir = config.daemon.run_dir
    try:
        wish = cycle.wish(config, speaker, facts.observed(time.monotonic()))
        if known.config not in {"", digest} and not allow_shrink:
            held = [route.prefix for route in wish.before.originated]
            gone = shrinks(held, config, facts.observed(time.monotonic()))
            _refuse_to_shrink(speaker, wish, gone)
        outcome = cycle.announce(config, speaker, wish)
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


@contextlib.contextmanager
def withdrawing_sick(config: Config) -> Iterator[None]:
    """Where no folder is to be trusted, or no one can tell what is drained, do what is left to do.

    That is to probe and to withdraw what is not healthy. What stands in the folders is not
    believed, and nothing is announced.
    """
    try:
        yield
    except (UntrustedError, drain_orders.UnknownError):
        _withdraw_sick(config)
        raise


def _withdraw_sick(config: Config) -> None:
    nothing = record.Record(record.this_boot(), "")
    facts, _ = cycle.observe(config, nothing, None, drained=False)
    observed = facts.observed(time.monotonic())
    try:
        speaker = choose.choose(config)
        wish = cycle.wish(config, speaker, observed)
    except RouterUnavailableError:
        cycle.disarm(config, plan(config, observed))
        raise
    held = frozenset(route.prefix for route in wish.before.originated)
    # Nobody can tell whether the config is another one, so none may withdraw most of it.
    kept = bearable(wish.plan, wish.before.originated) | shrinks(held, config, observed)
    if gone := held - kept:
        transaction.withdraw_first(speaker, gone)


def _refuse_to_shrink(speaker: Speaker, wish: cycle.Wish, gone: Collection[Prefix]) -> None:
    """Refuse, but first withdraw what is to go for its health: nothing may stand before that."""
    if not gone:
        return
    sick = {one.prefix for one in wish.plan.withheld if one.reason in _HEALTH}
    held = (route.prefix for route in wish.before.originated)
    if dead := frozenset(prefix for prefix in held if prefix in sick):
        transaction.withdraw_first(speaker, dead)
    raise cycle.shrunk(gone, "apply")
