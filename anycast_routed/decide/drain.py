"""Decide how far the drain of a service or a prefix has come."""

from __future__ import annotations

from anycast_routed.model import Stage


def stage(*, announced: bool, lowered_at: float | None, drain_time: float, at: float) -> Stage:
    """Return the stage: first lowered, so that the peers choose another path, then out.

    A target that is not announced is out at once, as after a reboot: no peer needs a warning.

    Args:
        announced: the router holds the target now.
        lowered_at: when the router first showed the target as lowered, in monotonic seconds.
        drain_time: seconds for which the target stays lowered.
        at: now, in monotonic seconds.
    """
    if lowered_at is None:
        return Stage.LOWERED if announced else Stage.OUT
    return Stage.LOWERED if announced and at < lowered_at + drain_time else Stage.OUT
