"""Judge a check without a usable reply: does the silence count against the server? No I/O."""

from dataclasses import dataclass
from typing import Final

from anycast_routed.model import CheckResult, Outcome

TRANSMISSIONS: Final = 16
"""The most queries of a check. At 30 % loss each way 4 of 100,000 checks lose 15 round trips."""
ENOUGH: Final = 8
"""Silence after fewer transmissions proves nothing."""
SPREAD: Final = 0.75
"""The last transmission goes out after this part of the timeout, over TCP."""


@dataclass(slots=True)
class Evidence:
    """What a check has seen and could not do until its timeout."""

    sent: int = 0
    """Transmissions."""
    filtered: int = 0
    """Transmissions that a packet filter on this host dropped."""
    missed: int = 0
    """Transmissions that were due and that the check could not make."""
    late: float = 0.0
    """The longest time in seconds by which the event loop woke up late."""
    error: str = ""
    """The last error of this host that prevented a transmission."""
    strays: int = 0
    """Datagrams that were not a reply to the query."""
    last_stray: str = ""
    """Why the last of them was not."""
    truncated: bool = False
    """A truncated reply came over UDP."""


def judge_silence(evidence: Evidence, timeout: float) -> CheckResult:
    """Return the result of a check that got no usable reply within `timeout` seconds.

    UNKNOWN if the check could not send often enough, or if after a truncated reply the event loop
    was so late that it may have missed the reply over TCP.
    """
    late = evidence.truncated and evidence.late > timeout * (1 - SPREAD)
    if late or evidence.missed > TRANSMISSIONS - ENOUGH:
        reason = f"anycast-routed itself was late by {evidence.late:.3g} s"
        if evidence.error:
            reason = f"the check could not run: {evidence.error}"
        return CheckResult(Outcome.UNKNOWN, reason)
    within = f"within {timeout:g} s"
    reason = f"no reply {within}"
    if evidence.truncated:
        reason = f"truncated over UDP, and TCP gave no reply {within}"
    elif evidence.filtered >= ENOUGH:
        reason += ", a packet filter on this host drops the queries"
    if evidence.strays:
        reason += f"; packets ignored: {evidence.strays}, the last: {evidence.last_stray}"
    return CheckResult(Outcome.FAIL, reason)
