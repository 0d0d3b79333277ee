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

from anycast_routed.announce import router_file
from anycast_routed.announce.confirm import PATIENT, Patience, blocking, confirm
from anycast_routed.decide.proof import bearable, faults
from anycast_routed.errors import AnycastRoutedError, ConfigError, NotConfirmedError, RejectedError
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.decide.proof import Fault
    from anycast_routed.model import Plan, Prefix, Readback


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
    confirmed: bool = True
    """False where a newer plan has cut the waiting short: loaded, but not proved to the end.
    `faults` then is what was still missing, blocking or not."""


def bring(
    speaker: Speaker,
    plan: Plan,
    text: str,
    before: Readback,
    patience: Patience = PATIENT,
) -> Outcome:
    """Make the router run `text`, the rendering of `plan`, and prove it by its read-back.

    `before` is what the router said when the plan was made. Nothing is written or loaded where
    the file, the router's running config and its exports agree with the plan already.

    Where `patience` has it that a newer plan is there, the waiting for the proof ends, nothing is
    put back, and the outcome says that it is not `confirmed`.

    Whatever fails, what the plan no longer wants is withdrawn, and so is what it lowers because it
    is down or drained. For the rest:

    Raises:
        RejectedError: refused; the file and the router are as they were.
        NotConfirmedError: loaded, but the read-back never showed it; rolled back.
        ConfigError: the operator's own config has what ours would bring; nothing was loaded.
        CannotWriteError, AccessDeniedError, RouterUnavailableError: as they say.
    """
    begun = time.monotonic()
    previous = router_file.read(speaker)
    found = faults(plan, before)
    is_there = previous == text and router_file.is_private(speaker, text)
    if is_there and not blocking(found) and speaker.is_loaded(text):
        return Outcome(changed=False, readback=before, faults=found, seconds=_since(begun))
    try:
        refuse_foreign_neighbors(plan, before)
        _load(speaker, text, is_there=is_there)
        proof = confirm(speaker, plan, before, patience)
    except (RejectedError, NotConfirmedError, ConfigError) as error:
        reload = isinstance(error, NotConfirmedError)
        _put_back(speaker, previous, plan, before, reload=reload)
        if isinstance(error, RejectedError) and error.text_at_fault:
            router_file.keep_rejected(speaker, text)
        raise
    except BaseException:
        # The router fell silent, the disk is full, or it is a bug of ours.
        withdraw_unplanned(speaker, plan, before)
        raise
    return Outcome(
        changed=True,
        readback=proof.readback,
        faults=proof.faults,
        seconds=_since(begun),
        confirmed=proof.complete,
    )


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


def withdraw_first(speaker: Speaker, gone: frozenset[Prefix]) -> None:
    """Withdraw exactly these prefixes, now: what a daemon does before anything else with a plan.

    First in the file, so that no reload or restart brings them back, then at the router by its
    shortest way that touches nothing else. No text is rendered, and no read-back is waited for:
    `bring` of the new plan gives the proof, and sends nothing more for these prefixes.

    Where the shortened file cannot be had (it is missing, it was made by a template that we
    cannot cut, or the disk is full and it had to be deleted), a reload would take what is healthy
    along. So then the router is told by its way that needs no file, which on BIRD is the whole
    service.

    Raises:
        RouterUnavailableError, AccessDeniedError: the router was not told; the file was shortened.
        CannotWriteError: the file could neither be shortened nor deleted; the router was told.
    """
    text, is_shortened = None, False
    try:
        text = router_file.read(speaker)
        if text is not None:
            is_shortened = _shorten_file(speaker, text, speaker.without(text, gone))
    finally:
        if text is not None and is_shortened:
            speaker.shorten(text, gone)
        else:
            speaker.withdraw(gone)


def withdraw_unplanned(speaker: Speaker, plan: Plan, before: Readback) -> None:
    """Withdraw by the short way what may not stay as it is; nothing where that is nothing.

    That is what the plan no longer wants, and what it can only lower by a load that has failed.
    """
    kept = bearable(plan, before.originated)
    if gone := frozenset(route.prefix for route in before.originated) - kept:
        try:
            disarm(speaker, kept)
        finally:
            withdraw_first(speaker, gone)


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
    every router of ours takes as "nothing". So is one that is too large to be ours, or no file.

    What somebody else has damaged would keep a router down that does not run now, with all that
    is not ours: it is kept aside, and nothing is left of it.
    """
    current = router_file.read(speaker)
    if current is None:
        router_file.refuse_odd(speaker)
        return
    gone = speaker.held(current) - kept if kept else None
    shortened = speaker.without(current, gone)
    _shorten_file(speaker, current, shortened)
    if shortened and not speaker.starts_with(shortened):
        router_file.keep_rejected(speaker, shortened)
        _replace(speaker, "")


def _load(speaker: Speaker, text: str, *, is_there: bool) -> None:
    speaker.check(text)
    if not is_there:
        router_file.write(speaker, text)
    speaker.load(text)


def _put_back(
    speaker: Speaker, previous: str | None, plan: Plan, before: Readback, *, reload: bool
) -> None:
    """Restore the file, less what the plan withdraws; `reload` where the router took the new text.

    What is to be withdrawn goes even if nothing else works here.
    """
    gone = speaker.held(previous or "") - bearable(plan, before.originated)
    restored = speaker.without(previous, gone) if previous and gone else previous
    try:
        _replace(speaker, restored)
        if reload:
            speaker.load(restored or "")
    finally:
        withdraw_unplanned(speaker, plan, before)


def _shorten_file(speaker: Speaker, text: str, shortened: str) -> bool:
    """Have the shortened text in the file; False where it is none that a router may load."""
    if shortened != text and not _replace(speaker, shortened):
        return False
    return shortened != ""


def _replace(speaker: Speaker, text: str | None) -> bool:
    """Write the text, or have no file: where there is no text, and where it cannot be written."""
    if text is not None:
        with contextlib.suppress(AnycastRoutedError):
            router_file.write(speaker, text)
            return True
    files.remove(speaker.file)
    return False


def _since(begun: float) -> float:
    return time.monotonic() - begun
