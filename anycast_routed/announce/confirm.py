"""Wait until the router's own word is the plan, or until nothing more can be expected."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.decide.proof import Fault, faults, unheard
from anycast_routed.errors import NotConfirmedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.model import Plan, Readback

CONFIRM_WITHIN = 5.0  # seconds for the router to show what we loaded
SESSIONS_WITHIN = 10.0  # seconds for sessions that this very transaction has brought
_SETTLED = 1.0  # seconds without any change, after which a missing export is a fact
# The same where not one neighbor hears a prefix: for 5 s after its start FRR 8 exports nothing
# through a route-map that stands below the neighbor in frr.conf.
_UNHEARD_SETTLED = 6.0
# Seconds between two read-backs: at first, and at most while nothing changes. Starting vtysh costs
# 25 ms of a processor; and BIRD 2.0.12 may hold its first routes back until it is asked something.
_EVERY, _SELDOM = 0.02, 0.1
_GLANCE = 0.01  # seconds after which a newer plan is noticed


@dataclass(frozen=True, slots=True)
class Patience:
    """What the proof is waited for."""

    superseded: Callable[[], bool] = lambda: False
    """Asked again and again: once it is true, a newer plan is there, and this proof is idle."""
    await_sessions: bool = True
    """Sessions that are on their way up are waited for; who looks again anyway need not."""


PATIENT = Patience()
"""All that there is to wait for: what a single run wants."""


class Confirmation(NamedTuple):
    """The router's word after a load."""

    readback: Readback
    faults: tuple[Fault, ...]
    """What nobody can help; or, where the waiting was cut short, what was still missing."""
    complete: bool
    """The waiting went to its end: a newer plan has not cut it short."""


def blocking(found: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the faults that mean that the router does not run what we loaded."""
    return tuple(fault for fault in found if fault.blocking)


def confirm(
    speaker: Speaker,
    plan: Plan,
    before: Readback,
    patience: Patience,
) -> Confirmation:
    """Read back until the router shows the plan; return its word and what nobody can help.

    Sessions that were there before must show it soon. Those that this transaction has brought
    get longer to come up; one that does not is the peer's affair and only ends the wait, and
    so does an export that a filter of the operator's refuses. When the plan is superseded
    there is nothing to wait for, and no fault.

    Raises:
        NotConfirmedError: the router does not run what was loaded.
    """
    begun = settled = time.monotonic()
    known = {session.address for session in before.sessions}
    readback, pause = speaker.read(), _EVERY
    while True:
        found = faults(plan, readback)
        coming = patience.await_sessions and any(
            not session.established and session.ours and session.address not in known
            for session in readback.sessions
        )
        if not found and not coming:
            return Confirmation(readback, found, complete=True)
        wrong = blocking(found)
        if _since(begun) > (CONFIRM_WITHIN if wrong else SESSIONS_WITHIN):
            break
        quiet = _UNHEARD_SETTLED if unheard(plan, readback) else _SETTLED
        if not wrong and not coming and _since(settled) > quiet:
            break
        if _rest(pause, patience.superseded):
            return Confirmation(readback, found, complete=False)
        latest, pause = speaker.read(), min(1.5 * pause, _SELDOM)
        if latest != readback:
            readback, settled, pause = latest, time.monotonic(), _EVERY
    if wrong:
        shown = "; ".join(_sentence(fault) for fault in wrong[:5])
        message = f"the router does not show what was planned: {shown}"
        hint = "rolled back; prefixes that were to be withdrawn stay withdrawn"
        raise NotConfirmedError(message, hint=hint)
    return Confirmation(readback, found, complete=True)


def _rest(seconds: float, superseded: Callable[[], bool]) -> bool:
    """Wait; True where a newer plan has cut it short."""
    until = time.monotonic() + seconds
    while not (cut_short := superseded()) and time.monotonic() < until:
        time.sleep(_GLANCE)
    return cut_short


def _sentence(fault: Fault) -> str:
    where = [str(fact) for fact in (fault.prefix, fault.peer) if fact is not None]
    return f"{' to '.join(where)}: {fault.detail}"


def _since(begun: float) -> float:
    return time.monotonic() - begun
