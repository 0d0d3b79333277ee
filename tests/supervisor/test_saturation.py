"""Fault 7 of overload, and 36: a server that is asked too much is slow and loses, and is not down.

`make soak` does the same for longer.
"""

from __future__ import annotations

import pytest

from anycast_routed.lab import Lab, dns
from bench.cases import saturate
from tests.support.dns_site import Held, seed
from tests.support.watched_site import PEER, Watched, lay_out

pytestmark = pytest.mark.integration

_SECONDS = 30.0


@pytest.mark.fault(36)
def test_saturated_servers_are_never_withdrawn(announced: Held) -> None:
    """Both at once, a minute of it in all: two cores are then too few for anyone."""
    with Lab() as first, Lab() as second:
        both = [running(first, "unbound", announced), running(second, "nsd", announced)]
        marks = [watched.mark() for watched in both]
        loads = [saturate(watched.dns1, _SECONDS) for watched in both]
        for watched, mark, load in zip(both, marks, loads, strict=True):
            assert load.result().lost  # else its sockets did not overflow
            assert not watched.updates(mark)
            assert watched.status().health["dns"].verdict == "up"
            assert watched.server.daemon.alive


def running(lab: Lab, name: str, announced: Held) -> Watched:
    """Lay out a host with this server and our daemon, and wait for its announcements."""
    config = seed()
    # Of the seed's own timeout, so that it is as patient; but five times as many checks.
    config["dns"] |= {"interval": "200ms", "half-life": 0}
    config["bgp"]["peers"] = [peer for peer in config["bgp"]["peers"] if peer["ip"] == PEER]
    watched = lay_out(lab, "bird", config)
    if name == "nsd":
        watched.server.daemon.kill()
        watched.server = dns.nsd(watched.dns1, zones={"google.com.": ()})
    watched.start_daemon()
    watched.holds(announced)
    return watched
