"""How long a flapping service stays away, so that no neighbour suppresses it (RFC 2439).

A neighbour that damps adds 1000 for each withdrawal to a figure of merit that halves with each
half-life, and stops to use the route at its suppress limit, 2000 in the usual set-up. It would then
take no announcement for a long time, however healthy the service is. So the same sum is kept here,
and a service returns when one more withdrawal cannot bring the sum to that limit.
"""

from __future__ import annotations

from math import exp2, log2

from anycast_routed.model import Flaps

WITHDRAWAL = 1000.0
"""What one withdrawal adds (RFC 2439 section 4.2 counts in withdrawals)."""
SUPPRESS = 2000.0
"""The usual suppress limit, that of Cisco's and FRR's `bgp dampening`."""
_RETURN = 980.0
"""Up to this sum a service returns. FRR 8.4.4 counts time in ticks of 5 s and suppresses at the
limit itself, so a little less than the 1000 that are left is needed. Only a first return, which
waits for nothing, can still meet it: when the service falls again within a tick."""
_NOTHING = 100.0
"""A sum below this is as good as none."""


def flapped(flaps: Flaps, *, at: float, half_life: float) -> Flaps:
    """Count one withdrawal more.

    The penalty never passes SUPPRESS: where one is withdrawn without having waited, the neighbour
    has suppressed it anyway, and a longer wait would help nobody.

    Args:
        flaps: what was counted before.
        at: monotonic seconds of this withdrawal.
        half_life: seconds in which the penalty halves; 0 keeps nothing of it.
    """
    left = _decayed(flaps, at, half_life)
    count = flaps.count + 1 if left >= _NOTHING else 1
    return Flaps(min(left + WITHDRAWAL, SUPPRESS), at, count)


def wait(flaps: Flaps, *, at: float, half_life: float) -> float:
    """Give the seconds until the next announcement may be made; 0.0 where it may be made now.

    A first withdrawal waits for nothing. After a further one the wait ends when the penalty is
    down to _RETURN, which is never much more than one half-life after it.

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
    # A time that lies ahead is of another boot: nothing is known to have passed since.
    return max(0.0, at - flaps.at)
