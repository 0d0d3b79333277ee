"""Network namespaces that run real BIRD, FRR, gobgpd and DNS servers.

The tests, the benchmarks and the demo use the lab. `Lab` makes hosts and links. The modules `bird`,
`frr`, `gobgp`, `dns`, `large_dns` and `bgp_receiver` start daemons in a host; `dns_client`,
`dnsperf` and `large_memory_dns` start programs for measurements.
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
