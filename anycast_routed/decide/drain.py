"""How far the drain of a service or a prefix has come."""

from __future__ import annotations

from anycast_routed.model import Stage


def stage(*, announced: bool, lowered_at: float | None, drain_time: float, at: float) -> Stage:
    """Return the stage: first lowered, so that its peers choose another way, then out.

    What is not announced has nobody to warn, and is out at once; so it is after a reboot.

    Args:
        announced: the router has it now.
        lowered_at: when the router was first seen to have it lowered, in monotonic seconds.
        drain_time: seconds that it stays lowered.
        at: now, in monotonic seconds.
    """
    if lowered_at is None:
        return Stage.LOWERED if announced else Stage.OUT
    return Stage.LOWERED if announced and at < lowered_at + drain_time else Stage.OUT
