"""Network namespaces with real BIRD, FRR, gobgpd and DNS servers in them.

The tests, the benchmark and the demo stand on it. `Lab` makes hosts and links; the modules `bird`,
`frr`, `gobgp`, `dns` and `receiver` start daemons in a host.
"""

from anycast_routed.lab.bgp_routes import Family, Route, Session
from anycast_routed.lab.daemon import Daemon
from anycast_routed.lab.failures import LabError, LabUnavailableError, LateError
from anycast_routed.lab.host import Host
from anycast_routed.lab.lab import Lab, reports
from anycast_routed.lab.waiting import eventually

__all__ = [
    "Daemon",
    "Family",
    "Host",
    "Lab",
    "LabError",
    "LabUnavailableError",
    "LateError",
    "Route",
    "Session",
    "eventually",
    "reports",
]
