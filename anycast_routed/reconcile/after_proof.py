"""What follows a proof: what it shows, who else announces the prefixes, and why one is missing."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from anycast_routed.decide.diff import changes
from anycast_routed.decide.origins import managed, wanted
from anycast_routed.errors import AnycastRoutedError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from anycast_routed.announce import transaction
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.decide.diff import Change
    from anycast_routed.decide.proof import Fault
    from anycast_routed.model import Origin, Plan, Prefix, Readback

_SHARE = 50.0  # the least time between two questions, in times of the latest answer
_MOST_CAUSES = 8

_Missing = tuple[str, "Prefix"]
"""An export that is missing: the name of the session, and the prefix. Without a name, the router
does not take the prefix at all."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the router answered at one moment."""

    origins: tuple[Origin, ...]
    causes: Mapping[_Missing, tuple[str, str]] = field(default_factory=dict)
    """Why a session is not sent a prefix, or why it is not taken, and what to do."""
    asked: Hashable = None
    """What was asked for."""
    at: float = 0.0
    """Monotonic seconds of the end of the answer."""
    took: float = 0.0
    """Seconds that the answer took."""


def ask(
    speaker: Speaker,
    desired: Plan,
    faults: Iterable[Fault],
    latest: Answers | None,
    *,
    fragile: bool = False,
) -> Answers:
    """Ask what else announces the prefixes of the plan, and the causes of these faults.

    An answer is kept for fifty times the seconds that it took, unless something else is asked for.
    A `fragile` release, which a question can crash, is asked once. No answer is no failure: what
    the plan wants is proved already.
    """
    missing = tuple(one for one in map(_missing, faults) if one)[:_MOST_CAUSES]
    asked = (managed(desired), wanted(desired), missing)
    begun = time.monotonic()
    if latest is not None and latest.asked == asked:
        if begun - latest.at < (inf if fragile else _SHARE * latest.took):
            return latest
        found = latest
    else:
        found = Answers(())
    try:
        origins = speaker.origins(asked[0])
        causes = {one: speaker.cause(*one) for one in missing}
        found = replace(found, origins=origins, causes=causes)
    except AnycastRoutedError:
        pass
    at = time.monotonic()
    return replace(found, asked=asked, at=at, took=at - begun)


def proved(
    desired: Plan, before: Readback, outcome: transaction.Outcome
) -> tuple[tuple[Change, ...], Readback]:
    """Return the changes that are proved, and the read-back of what the router is known to hold.

    A proof that a newer plan has cut short proves no export that it did not see: those changes are
    reported by the step that proves them.
    """
    left = changes(desired, outcome.readback)
    missing = {change.prefix for change in left}
    unproved = set() if outcome.confirmed else {fault.prefix for fault in outcome.faults}
    kept = [one for one in outcome.readback.originated if one.prefix not in unproved]
    kept += (one for one in before.originated if one.prefix in unproved)
    unsettled = missing | unproved
    # Nearly always the router holds what it held, and comparing thousands takes long.
    is_same = before.originated == outcome.readback.originated
    every = left if is_same else changes(desired, before)
    found = (one for one in every if one.prefix not in unsettled)
    return tuple(found), replace(outcome.readback, originated=tuple(kept))


def undo_in(speaker: Speaker) -> float | None:
    """Ask when the router undoes its config; without an answer, the next step asks again."""
    with contextlib.suppress(AnycastRoutedError):
        return speaker.undo_in()
    return None


def with_causes(faults: Iterable[Fault], known: Answers) -> tuple[Fault, ...]:
    """Add the cause and the fix to each missing export, and to each prefix that is not taken."""
    return tuple(_with_cause(fault, known) for fault in faults)


def _with_cause(fault: Fault, known: Answers) -> Fault:
    missing = _missing(fault)
    why, fix = known.causes.get(missing, ("", "")) if missing else ("", "")
    return replace(fault, detail=f"{fault.detail}: {why}", fix=fix) if why else fault


def _missing(fault: Fault) -> _Missing | None:
    if fault.absent and fault.prefix is not None:
        return "", fault.prefix
    if fault.session and fault.prefix is not None and not fault.blocking:
        return fault.session, fault.prefix
    return None
