"""The frozen values that flow: facts first, then a plan, then the router's read-back.

    CheckResult -> Health                            Observed -> Plan -> (the router) -> Readback
    HostAddress ---------/

Nothing here decides anything; every rule about these values lives in `decide`.
"""

from anycast_routed.model.check import (
    NOTHING_LISTENS,
    CheckKey,
    CheckResult,
    Health,
    Outcome,
    Verdict,
)
from anycast_routed.model.desired import (
    GRACEFUL_SHUTDOWN,
    Announcement,
    Attributes,
    BlackholeNeed,
    Community,
    Drain,
    Flaps,
    Observed,
    Peer,
    Permit,
    Plan,
    Reason,
    Sessions,
    Stage,
    Withheld,
)
from anycast_routed.model.finding import (
    Code,
    Finding,
    Severity,
)
from anycast_routed.model.host import (
    Address,
    Host,
    HostAddress,
    Interface,
    Prefix,
    by_address,
)
from anycast_routed.model.router import (
    Held,
    Origin,
    Readback,
    Route,
    Session,
)
from anycast_routed.model.version import UNKNOWN_VERSION, Version

__all__ = [
    "GRACEFUL_SHUTDOWN",
    "NOTHING_LISTENS",
    "UNKNOWN_VERSION",
    "Address",
    "Announcement",
    "Attributes",
    "BlackholeNeed",
    "CheckKey",
    "CheckResult",
    "Code",
    "Community",
    "Drain",
    "Finding",
    "Flaps",
    "Health",
    "Held",
    "Host",
    "HostAddress",
    "Interface",
    "Observed",
    "Origin",
    "Outcome",
    "Peer",
    "Permit",
    "Plan",
    "Prefix",
    "Readback",
    "Reason",
    "Route",
    "Session",
    "Sessions",
    "Severity",
    "Stage",
    "Verdict",
    "Version",
    "Withheld",
    "by_address",
]
