"""A peer is down or accepts no more prefixes: reported, and the other peers stay served."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, bird
from tests.support.router_faults import bird_of, unchanged
from tests.support.waiting import eventually
from tests.support.watched_site import BOTH_ROUTERS, PEER, Watched, lay_out, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(29), BOTH_ROUTERS]

NOBODY = "172.17.2.250"
LIMITED = "172.17.2.254"
REASONS = {
    NOBODY: ("(Socket: No route to host)",),
    # It refuses every connection after that; BIRD 3.4 takes it and closes it.
    LIMITED: (
        "(Received: Maximum number of prefixes reached)",
        "(Socket: Connection refused)",
        "(Socket: Connection closed)",
        "(Socket: Connection reset by peer)",
    ),
}
EDGE = """\
log stderr all;
router id 172.17.2.254;
protocol device {}
protocol bgp {
  local 172.17.2.254 as 64512;
  neighbor 172.17.2.1 as 64512;
  connect delay time 1;
  connect retry time 1;
  ipv4 { import all; import limit 1 action disable; };
  ipv6 { import all; };
}
"""


@pytest.fixture(scope="module")
def edge(lab: Lab) -> bird.Bird:
    """Start the peer that accepts one prefix."""
    return bird.start(lab.host("edge"), EDGE)


@pytest.fixture(scope="module")
def running(lab: Lab, router_name: str, edge: bird.Bird) -> Watched:
    """Start the daemon with a peer that does not exist, and one that accepts one prefix."""
    config = quick()
    peers = [{"ip": one, "description": "", "as": 64512} for one in (NOBODY, LIMITED)]
    config["bgp"]["peers"] += peers
    made = lay_out(lab, router_name, config)
    lab.lan("lan", edge.host)
    edge.host.address("eth0", f"{LIMITED}/24")
    made.start_daemon()
    return made


def test_peers_that_get_nothing_are_reported_and_the_others_stay_up(
    watched: Watched, announced: Held, edge: bird.Bird
) -> None:
    assert watched.table() == announced
    eventually(lambda: "limit" in edge.daemon.log(), why="the peer takes no more")
    for peer in (NOBODY, LIMITED):
        reported = partial(is_trouble, watched, peer)
        eventually(reported, why=f"{peer} is reported")
    loads, written = loaded(watched), watched.router_file().stat()
    unchanged(watched, 8)
    assert loaded(watched) == loads
    assert watched.router_file().stat().st_mtime_ns == written.st_mtime_ns
    assert not watched.status().problems
    log = watched.process().log()
    # Once, and again when BIRD knows the reason; further attempts are not reported.
    assert log.count(f"peer {NOBODY}: session is down") == log.count(f"peer {NOBODY}")
    assert log.count(f"peer {NOBODY}") <= 3
    assert PEER not in log.partition(" finding ")[2]


def loaded(watched: Watched) -> int:
    """Count how often the router loaded a config; FRR does not log it."""
    return watched.router_name == "bird" and bird_of(watched).daemon.log().count("Reconfigured")


def is_trouble(watched: Watched, peer: str) -> bool:
    """Tell whether the daemon reports this peer's session with its reason; FRR gives none."""
    reasons = REASONS[peer] if watched.router_name == "bird" else ("",)
    lines = [
        one for one in map(str, watched.status().findings) if f"peer {peer}: session is " in one
    ]
    return any(reason in line for line in lines for reason in reasons)


def test_a_withdrawal_does_not_wait_for_these_peers(watched: Watched) -> None:
    watched.server.daemon.kill()
    watched.holds({})
