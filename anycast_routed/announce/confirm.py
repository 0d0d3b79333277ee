"""Wait until the read-back shows the plan, or until nothing more can be expected."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.announce import owner
from anycast_routed.decide.proof import Fault, faults, unheard
from anycast_routed.errors import NotConfirmedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.model import Plan, Readback

CONFIRM_WITHIN = 5.0  # seconds for the router to show what we loaded
SESSIONS_WITHIN = 10.0  # seconds for sessions that this transaction added
# Seconds without any change, after which a missing export is a fact. Where a prefix reaches no
# neighbor at all, the seconds come on top in which this release may export nothing.
_SETTLED = 1.0
# Seconds between two read-backs: at first, and at most while nothing changes. Starting vtysh takes
# 25 ms of CPU time, and a BIRD that holds its first routes back is woken by each connection.
# Such a question can crash a fragile release.
_PAUSES = {False: (0.02, 0.1), True: (0.5, 0.5)}
_GLANCE = 0.01  # seconds after which a newer plan is noticed
_NAMED = 5  # faults that a message names


@dataclass(frozen=True, slots=True)
class Patience:
    """What ends the wait for the proof."""

    superseded: Callable[[], bool] = lambda: False
    """Called again and again: once it is true, a newer plan exists, and this proof is pointless."""
    await_sessions: bool = True
    """Wait for new sessions to come up; a daemon, which reads back again anyway, need not."""
    load_within: float = inf
    """Seconds after which a load in portions is left to the next step."""


PATIENT = Patience()
"""Wait for everything, as a single run does."""


class Confirmation(NamedTuple):
    """The read-back after a load."""

    readback: Readback
    faults: tuple[Fault, ...]
    """Faults that undo nothing; or, if the wait was cut short, what was still missing."""
    complete: bool
    """The wait went to its end: no newer plan cut it short."""


def blocking(found: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults that mean that the router does not run what we loaded."""
    return tuple(fault for fault in found if fault.blocking)


def undoing(found: tuple[Fault, ...], before: Readback) -> tuple[Fault, ...]:
    """Return the faults for which the load is undone.

    A prefix that the router does not take, and did not hold before, is none of them: without it,
    the others are announced as planned.
    """
    held = {route.prefix for route in before.originated}
    return tuple(one for one in blocking(found) if not one.absent or one.prefix in held)


def confirm(
    speaker: Speaker,
    plan: Plan,
    before: Readback,
    patience: Patience,
) -> Confirmation:
    """Read back until the router shows the plan; return the read-back and the remaining faults.

    Sessions that this transaction added get longer to come up than the others to show the plan. A
    session that does not come up, an export that an operator's filter refuses, and a new prefix
    that the router does not take end the wait, and are no error; nor is a superseding plan.

    Raises:
        NotConfirmedError, OtherOwnerError: it does not run what was loaded (`undoing`).
    """
    begun = settled = time.monotonic()
    known = {session.name for session in before.sessions}
    readback = speaker.read()
    pause, slowest = _PAUSES[readback.version.fragile]
    while True:
        found = faults(plan, readback)
        coming = patience.await_sessions and _new_sessions_are_down(readback, known)
        if not found and not coming:
            return Confirmation(readback, found, complete=True)
        wrong = blocking(found)
        if _since(begun) > (CONFIRM_WITHIN if wrong else SESSIONS_WITHIN):
            break
        # A daemon, which does not wait for sessions, reads again in a moment.
        lasting = wrong if patience.await_sessions else undoing(wrong, before)
        if not lasting and not coming and _since(settled) > _silence(plan, readback, wrong):
            break
        if _is_superseded_within(pause, patience.superseded):
            return Confirmation(readback, found, complete=False)
        latest, pause = speaker.read(), min(1.5 * pause, slowest)
        if latest != readback:
            readback, settled = latest, time.monotonic()
            pause, slowest = _PAUSES[latest.version.fragile]
    if undoing(wrong, before):
        raise _not_confirmed(speaker, wrong)
    return Confirmation(readback, found, complete=True)


def _silence(plan: Plan, readback: Readback, wrong: tuple[Fault, ...]) -> float:
    """Return after how many seconds without a change nothing more can be expected."""
    absent = {one.prefix for one in wrong if one.absent}
    awaited = set(unheard(plan, readback)) - absent
    return _SETTLED + (readback.version.silent_for if awaited else 0.0)


def _new_sessions_are_down(readback: Readback, known: Collection[str]) -> bool:
    return any(
        not session.established and session.ours and session.name not in known
        for session in readback.sessions
    )


def _is_superseded_within(seconds: float, superseded: Callable[[], bool]) -> bool:
    """Wait; return early, with True, when a newer plan exists."""
    until = time.monotonic() + seconds
    while not (cut_short := superseded()) and time.monotonic() < until:
        time.sleep(_GLANCE)
    return cut_short


def _not_confirmed(speaker: Speaker, wrong: tuple[Fault, ...]) -> NotConfirmedError:
    owner.refuse(speaker)
    shown = "; ".join(_sentence(fault) for fault in wrong[:_NAMED])
    message = f"the router does not show what was planned: {shown}"
    hint = "rolled back; prefixes that were to be withdrawn stay withdrawn"
    return NotConfirmedError(message, hint=hint)


def _sentence(fault: Fault) -> str:
    where = [str(fact) for fact in (fault.prefix, fault.peer) if fact is not None]
    return f"{' to '.join(where)}: {fault.detail}"


def _since(begun: float) -> float:
    return time.monotonic() - begun
