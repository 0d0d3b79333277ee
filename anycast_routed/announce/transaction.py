"""Load a plan as one transaction: check, swap, load, confirm; or put everything back.

Whatever fails, and wherever the process is killed: the file is the old one or the new one, and no
prefix comes back that the plan withdraws. So a rollback does not restore the old text itself, but
the old text without the prefixes that must be withdrawn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.announce import router_file
from anycast_routed.announce.confirm import PATIENT, Confirmation, Patience, blocking, confirm
from anycast_routed.announce.withdraw import replace_file, withdraw_unplanned
from anycast_routed.decide.proof import bearable, faults
from anycast_routed.errors import ConfigError, NotConfirmedError, RejectedError

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.decide.proof import Fault
    from anycast_routed.model import Plan, Prefix, Readback


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did, and the read-back after it."""

    changed: bool
    """The router got a text to load."""
    readback: Readback
    faults: tuple[Fault, ...]
    """Exports that a neighbor does not get, and new prefixes that the router does not take."""
    seconds: float
    """From the decision to the confirmation."""
    confirmed: bool = True
    """False if a newer plan ended the wait for the proof, or the text is loaded in part only.
    `faults` then lists what was still missing of what is loaded, blocking or not."""
    refused: str = ""
    """Why the router does not take some of the new prefixes, in its own words, if it said so."""

    @property
    def absent(self) -> frozenset[Prefix]:
        """The planned prefixes that the router does not take."""
        return frozenset(one.prefix for one in self.faults if one.absent and one.prefix is not None)


def bring(
    speaker: Speaker, plan: Plan, text: str, before: Readback, patience: Patience = PATIENT
) -> Outcome:
    """Make the router run `text`, the rendering of `plan`, and prove it by its read-back.

    `before` is what the plan was compared with; nothing is loaded if all agrees. A new prefix that
    the router does not take is a fault of the outcome. A newer plan ends the load and the wait.

    Whatever fails, prefixes are withdrawn that the plan no longer has, or lowers. For the rest:

    Raises:
        RejectedError: refused; the router has only what needed no reload (see `_load_first`).
        NotConfirmedError: loaded, but the read-back never showed it; rolled back.
        ConfigError: the operator's own config conflicts with ours; nothing was loaded.
        CannotWriteError, AccessDeniedError, RouterUnavailableError: as their classes say.
    """
    begun, previous = time.monotonic(), router_file.read(speaker)
    found = faults(plan, before)
    is_there = previous == text and router_file.is_private(speaker, text)
    if is_there and not blocking(found) and speaker.is_loaded(text):
        return Outcome(changed=False, readback=before, faults=found, seconds=_since(begun))
    try:
        previous = _load_first(speaker, text, previous)
        refuse_foreign_neighbors(plan, before)
        agreed = _agreed(speaker, plan, found, previous)
        refused, is_part = _load(speaker, text, agreed, patience, is_there=is_there)
        proof = _first_look(speaker, plan) if is_part else confirm(speaker, plan, before, patience)
    except BaseException as error:
        _undo(speaker, previous, plan, before, error)
        if isinstance(error, RejectedError) and error.text_at_fault:
            router_file.keep_rejected(speaker, text)
        raise
    return Outcome(
        changed=True,
        readback=proof.readback,
        faults=proof.faults,
        seconds=_since(begun),
        confirmed=proof.complete,
        refused=refused,
    )


def refuse_foreign_neighbors(plan: Plan, before: Readback) -> None:
    """Refuse a peer that is a neighbor in the operator's own config: the router would accept it.

    It would then leave our session Idle.

    Raises:
        ConfigError: with the key and the name of the operator's session.
    """
    foreign = {session.address: session for session in before.sessions if not session.ours}
    for peer in plan.sessions.peers if plan.sessions else ():
        if peer.address in foreign:
            name = foreign[peer.address].name
            key = f"bgp.peers[{peer.number - 1}].ip"
            message = f"{key}: the router's own config has {peer.address} already, as {name}"
            hint = "take it out of one of the two; without `bgp` your own sessions are used"
            raise ConfigError(message, hint=hint)


def _load_first(speaker: Speaker, text: str, previous: str | None) -> str | None:
    """Load what needs no reload, and return the text that stands in the file then.

    The reload may be refused, or have to wait for the end of a trial: a service that returns must
    not wait for it.
    """
    if previous is None or speaker.layout.structure(previous) == speaker.layout.structure(text):
        return previous
    first = speaker.layout.without_reload(previous, text)
    if first == previous or not speaker.is_loaded(previous):
        return previous
    router_file.write(speaker, first)
    speaker.load(first, previous)
    return first


def _load(
    speaker: Speaker, text: str, previous: str | None, patience: Patience, *, is_there: bool
) -> tuple[str, bool]:
    """Return what the router has refused, and whether there was no time for the whole text."""
    speaker.check(text)
    if not is_there:
        router_file.write(speaker, text)
    until = time.monotonic() + patience.load_within

    def enough() -> bool:
        return patience.superseded() or time.monotonic() > until

    refused = speaker.load(text, previous, enough)
    return refused, time.monotonic() > until and not speaker.is_loaded(text)


def _first_look(speaker: Speaker, plan: Plan) -> Confirmation:
    """Return the read-back of a text that is loaded in part only: what is absent is no fault."""
    readback = speaker.read()
    found = tuple(one for one in faults(plan, readback) if not one.absent)
    return Confirmation(readback, found, complete=False)


def _agreed(
    speaker: Speaker, plan: Plan, found: tuple[Fault, ...], previous: str | None
) -> str | None:
    """Return the previous text if the router has the routes and sessions that it gave, else None.

    If it has others, or lacks one, it must read all of the file. A route that is about to go is no
    such difference.
    """
    planned = {one.prefix for one in plan.announcements}
    given = speaker.layout.held(previous or "")
    differs = any(
        fault.prefix in given if fault.absent else fault.prefix is None or fault.prefix in planned
        for fault in found
        if fault.blocking
    )
    return None if differs else previous


def _undo(
    speaker: Speaker, previous: str | None, plan: Plan, before: Readback, error: BaseException
) -> None:
    """Restore the file without the prefixes that the plan withdraws, and withdraw them.

    After other errors than a refusal the file stays: the router does not answer, the disk is full,
    or the program has a bug. The prefixes are withdrawn even if nothing else works.
    """
    try:
        if isinstance(error, (RejectedError, NotConfirmedError, ConfigError)):
            gone = speaker.layout.held(previous or "") - bearable(plan, before.originated)
            restored = speaker.layout.without(previous, gone) if previous and gone else previous
            replace_file(speaker, restored)
            if isinstance(error, NotConfirmedError):  # the router runs the new text
                speaker.load(restored or "")
    finally:
        withdraw_unplanned(speaker, plan, before)


def _since(begun: float) -> float:
    return time.monotonic() - begun
