"""An overloaded DNS server is slow and drops questions; it is not down, and stays announced.

`make soak` does the same for longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, dns
from bench.cases import saturate
from tests.support.configs import anycast_dns
from tests.support.watched_site import PEER, Watched, lay_out

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

_SECONDS = 10.0


@pytest.mark.fault(36)
def test_saturated_servers_are_never_withdrawn(announced: Held) -> None:
    """Overload both servers at the same time, so that two cores are not enough."""
    with Lab() as first, Lab() as second:
        both = [running(first, "unbound", announced), running(second, "nsd", announced)]
        marks = [watched.mark() for watched in both]
        loads = [saturate(watched.dns1, _SECONDS) for watched in both]
        for watched, mark, load in zip(both, marks, loads, strict=True):
            assert load.result().lost  # otherwise its sockets did not overflow
            assert not watched.updates(mark)
            assert watched.status().health["dns"].verdict == "up"
            assert watched.server.daemon.alive


def running(lab: Lab, name: str, announced: Held) -> Watched:
    """Lay out a host with this server and the daemon, and wait for its announcements."""
    config = anycast_dns()
    # The timeout of the anycast-dns config, with five times as many checks.
    config["dns"] |= {"interval": "200ms", "half-life": 0}
    config["bgp"]["peers"] = [peer for peer in config["bgp"]["peers"] if peer["ip"] == PEER]
    watched = lay_out(lab, "bird", config)
    if name == "nsd":
        watched.server.daemon.kill()
        watched.server = dns.nsd(watched.dns1, zones={"google.com.": ()})
    watched.start_daemon()
    watched.holds(announced)
    return watched
