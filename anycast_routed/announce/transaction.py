"""Check, swap, load, confirm; or put everything back.

Whatever fails, and wherever we are killed: the file is the old one or the new one, and nothing
that the plan no longer wants is ever brought back. So what is put back is not simply the old
text, but the old text without the prefixes that are to be withdrawn.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed import atomic
from anycast_routed.decide.compare import Fault, faults, unheard
from anycast_routed.errors import AnycastRoutedError, ConfigError, NotConfirmedError, RejectedError

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.model import Plan, Prefix, Readback

CONFIRM_WITHIN = 5.0  # seconds for the router to show what we loaded
SESSIONS_WITHIN = 10.0  # seconds for sessions that this very transaction has brought
_SETTLED = 1.0  # seconds without any change, after which a missing export is a fact
# The same where not one neighbor hears a prefix: for 5 s after its start FRR 8 exports nothing
# through a route-map that stands below the neighbor in frr.conf.
_UNHEARD_SETTLED = 6.0
_EVERY = 0.02  # seconds between two read-backs


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did, and the router's word after it."""

    changed: bool
    """The router was given something to load."""
    readback: Readback
    faults: tuple[Fault, ...]
    """Exports that a neighbor does not get; nothing blocking."""
    seconds: float
    """From the decision to the confirmation."""


def bring(speaker: Speaker, plan: Plan, text: str, before: Readback) -> Outcome:
    """Make the router run `text`, the rendering of `plan`, and prove it by its read-back.

    `before` is what the router said when the plan was made. Nothing is written or loaded where
    the file, the router's running config and its exports agree with the plan already.

    Whatever fails, what the plan no longer wants is withdrawn. For the rest:

    Raises:
        RejectedError: refused; the file and the router are as they were.
        NotConfirmedError: loaded, but the read-back never showed it; rolled back.
        ConfigError: the operator's own config has what ours would bring; nothing was loaded.
        CannotWriteError, AccessDeniedError, RouterUnavailableError: as they say.
    """
    begun = time.monotonic()
    previous = atomic.read(speaker.file)
    found = faults(plan, before)
    if previous == text and not _blocking(found) and speaker.is_loaded(text):
        return Outcome(changed=False, readback=before, faults=found, seconds=_since(begun))
    try:
        refuse_foreign_neighbors(plan, before)
        _load(speaker, text, previous)
        readback, found = _confirm(speaker, plan, before)
    except (RejectedError, NotConfirmedError, ConfigError) as error:
        reload = isinstance(error, NotConfirmedError)
        _put_back(speaker, previous, plan, before, reload=reload)
        if isinstance(error, RejectedError) and error.text_at_fault:
            _keep_rejected(speaker.file, text)
        raise
    except BaseException:
        # The router fell silent, the disk is full, or it is a bug of ours.
        withdraw_unplanned(speaker, plan, before)
        raise
    return Outcome(changed=True, readback=readback, faults=found, seconds=_since(begun))


def refuse_foreign_neighbors(plan: Plan, before: Readback) -> None:
    """Refuse by name what a router would take, and leave Idle: the operator's own neighbor.

    Raises:
        ConfigError: with the key and the session's name.
    """
    foreign = {session.address: session for session in before.sessions if not session.ours}
    for peer in plan.sessions.peers if plan.sessions else ():
        if peer.address in foreign:
            name = foreign[peer.address].name
            key = f"bgp.peers[{peer.number - 1}].ip"
            message = f"{key}: the router's own config has {peer.address} already, as {name}"
            hint = "take it out of one of the two; without `bgp` your own sessions are used"
            raise ConfigError(message, hint=hint)


def withdraw_unplanned(speaker: Speaker, plan: Plan, before: Readback) -> None:
    """Withdraw what the plan no longer wants by the short way; nothing where that is nothing."""
    kept = frozenset(announcement.prefix for announcement in plan.announcements)
    if gone := frozenset(route.prefix for route in before.originated) - kept:
        try:
            disarm(speaker, kept)
        finally:
            speaker.withdraw(gone)


def withdraw_all(speaker: Speaker) -> None:
    """Withdraw all of ours: first in the file, so that no reload brings it back, then in fact.

    It works with a broken config of the operator's and on a full disk.
    """
    try:
        disarm(speaker, frozenset())
    finally:
        speaker.withdraw()


def disarm(speaker: Speaker, kept: frozenset[Prefix]) -> None:
    """Leave only these prefixes in the file, so that no start of the router brings others back.

    Where the shortened file cannot be written it is deleted, which needs no space and which
    every router of ours takes as "nothing".
    """
    current = atomic.read(speaker.file)
    if current is None:
        return
    gone = speaker.held(current) - kept
    shortened = speaker.without(current, gone if kept else None)
    if shortened != current:
        _replace(speaker.file, shortened)


def _load(speaker: Speaker, text: str, previous: str | None) -> None:
    speaker.check(text)
    if previous != text:
        atomic.write(speaker.file, text)
    speaker.load(text)


def _confirm(speaker: Speaker, plan: Plan, before: Readback) -> tuple[Readback, tuple[Fault, ...]]:
    """Read back until the router shows the plan; return its word and what nobody can help.

    Sessions that were there before must show it soon. Those that this transaction has brought
    get longer to come up; one that does not is the peer's affair and only ends the wait, and
    so does an export that a filter of the operator's refuses.
    """
    begun = settled = time.monotonic()
    known = {session.address for session in before.sessions}
    readback = speaker.read()
    while True:
        found = faults(plan, readback)
        coming = any(
            not session.established and session.ours and session.address not in known
            for session in readback.sessions
        )
        if not found and not coming:
            return readback, found
        blocking = _blocking(found)
        if _since(begun) > (CONFIRM_WITHIN if blocking else SESSIONS_WITHIN):
            break
        patience = _UNHEARD_SETTLED if unheard(plan, readback) else _SETTLED
        if not blocking and not coming and _since(settled) > patience:
            break
        time.sleep(_EVERY)
        latest = speaker.read()
        if latest != readback:
            readback, settled = latest, time.monotonic()
    if blocking:
        shown = "; ".join(_sentence(fault) for fault in blocking[:5])
        message = f"the router does not show what was planned: {shown}"
        hint = "rolled back; prefixes that were to be withdrawn stay withdrawn"
        raise NotConfirmedError(message, hint=hint)
    return readback, found


def _put_back(
    speaker: Speaker, previous: str | None, plan: Plan, before: Readback, *, reload: bool
) -> None:
    """Restore the file, less what the plan withdraws; `reload` where the router took the new text.

    What is to be withdrawn goes even if nothing else works here.
    """
    kept = frozenset(announcement.prefix for announcement in plan.announcements)
    gone = speaker.held(previous or "") - kept
    restored = speaker.without(previous, gone) if previous and gone else previous
    try:
        _replace(speaker.file, restored)
        if reload:
            speaker.load(restored or "")
    finally:
        withdraw_unplanned(speaker, plan, before)


def _replace(file: Path, text: str | None) -> None:
    """Write the text, or have no file: where there is no text, and where it cannot be written."""
    if text is not None:
        with contextlib.suppress(AnycastRoutedError):
            atomic.write(file, text)
            return
    atomic.remove(file)


def _keep_rejected(file: Path, text: str) -> None:
    with contextlib.suppress(AnycastRoutedError):
        atomic.write(file.with_name(f"{file.name}.rejected"), text)


def _blocking(found: tuple[Fault, ...]) -> tuple[Fault, ...]:
    return tuple(fault for fault in found if fault.blocking)


def _sentence(fault: Fault) -> str:
    where = [str(fact) for fact in (fault.prefix, fault.peer) if fact is not None]
    return f"{' to '.join(where)}: {fault.detail}"


def _since(begun: float) -> float:
    return time.monotonic() - begun
