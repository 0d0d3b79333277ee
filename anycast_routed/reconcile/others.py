"""What else announces our prefixes, asked for at the end of a step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anycast_routed.decide.origins import managed

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.model import Origin, Plan

_SHARE = 50.0  # the least time between two questions, in times of the latest answer


@dataclass(frozen=True, slots=True)
class Others:
    """What else announces our prefixes, as the router answered at one moment."""

    origins: tuple[Origin, ...]
    plan: Plan
    """The plan whose prefixes were asked for."""
    at: float
    """Monotonic seconds of the end of the answer."""
    took: float
    """Seconds that the answer took."""


def ask(speaker: Speaker, desired: Plan, latest: Others | None) -> Others:
    """Ask what else announces the prefixes of the plan; or keep the latest answer for a while.

    An answer about thousands of prefixes takes long: the router may spend a fiftieth of its time on
    it. A new plan is asked for at once.

    Raises:
        RouterUnavailableError, AccessDeniedError: the router does not answer.
    """
    begun = time.monotonic()
    if latest is not None and latest.plan == desired and begun - latest.at < _SHARE * latest.took:
        return latest
    found = speaker.origins(managed(desired))
    at = time.monotonic()
    return Others(found, desired, at, at - begun)
