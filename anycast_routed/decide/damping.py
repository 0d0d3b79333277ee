"""Compute how long a flapping service stays withdrawn, so that no neighbor damps it (RFC 2439).

A neighbor that damps routes adds 1000 for each withdrawal to a figure of merit that halves with
each half-life, and suppresses the route at a limit of usually 2000. It would then ignore
announcements for a long time, however healthy the service is. So the same sum is kept here, and a
service is announced again when one more withdrawal cannot bring the sum to that limit.
"""

from __future__ import annotations

from math import exp2, log2

from anycast_routed.model import Flaps

WITHDRAWAL = 1000.0
"""What one withdrawal adds (RFC 2439 section 4.2 counts in withdrawals)."""
SUPPRESS = 2000.0
"""The usual suppress limit, that of Cisco's and FRR's `bgp dampening`."""
_RETURN = 980.0
"""Up to this sum a service is announced again. FRR 8.4.4 counts time in ticks of 5 s and suppresses
at the limit itself, so the sum must be a little below the 1000 that are left. Only a first return,
which does not wait, can still reach the limit: if the service goes down again within a tick."""
_NEGLIGIBLE = 100.0
"""A sum below this counts as none."""


def flapped(flaps: Flaps, *, at: float, half_life: float) -> Flaps:
    """Return the flaps with one more withdrawal.

    The penalty never exceeds SUPPRESS: after a withdrawal without a wait before it, the neighbor
    suppresses the route anyway, and a longer wait would not help.

    Args:
        flaps: what was counted before.
        at: monotonic seconds of this withdrawal.
        half_life: seconds in which the penalty halves; with 0 no penalty is kept.
    """
    left = _decayed(flaps, at, half_life)
    count = flaps.count + 1 if left >= _NEGLIGIBLE else 1
    return Flaps(min(left + WITHDRAWAL, SUPPRESS), at, count)


def wait(flaps: Flaps, *, at: float, half_life: float) -> float:
    """Return the seconds until the next announcement is allowed; 0.0 if it is allowed now.

    After a first withdrawal there is no wait. After each further one the wait ends when the
    penalty is down to _RETURN, which is never much more than one half-life later.

    Args:
        flaps: the withdrawals so far.
        at: monotonic seconds of now.
        half_life: seconds in which the penalty halves; 0 turns the waiting off.
    """
    if half_life <= 0 or flaps.penalty <= WITHDRAWAL:
        return 0.0
    whole = half_life * log2(flaps.penalty / _RETURN)
    return max(0.0, whole - _elapsed(flaps, at))


def _decayed(flaps: Flaps, at: float, half_life: float) -> float:
    if half_life <= 0:
        return 0.0
    return flaps.penalty * exp2(-_elapsed(flaps, at) / half_life)


def _elapsed(flaps: Flaps, at: float) -> float:
    # A time in the future is from another boot: assume that no time has passed.
    return max(0.0, at - flaps.at)
