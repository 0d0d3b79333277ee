"""A peer that is down, or takes no more: the others are served, it is told, and nothing storms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from router_faults import bird_of, own_file, unchanged
from watched import PEER, Watched, lay_out, quick

from anycast_routed.lab import Lab, eventually, frr

if TYPE_CHECKING:
    from seed_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(29)]

NOBODY = "172.17.2.250"
LIMITED = "172.17.2.254"
EDGE = """\
router bgp 64512
 bgp router-id 172.17.2.254
 neighbor 172.17.2.1 remote-as 64512
 address-family ipv4 unicast
  neighbor 172.17.2.1 activate
  neighbor 172.17.2.1 maximum-prefix 1
 exit-address-family
exit
"""


@pytest.fixture(scope="module")
def at_work(lab: Lab) -> Watched:
    """Start the daemon with a peer that is not there, and one that wants one prefix."""
    config = quick()
    peers = [{"ip": one, "description": "", "as": 64512} for one in (NOBODY, LIMITED)]
    config["bgp"]["peers"] += peers
    made = lay_out(lab, "bird", config)
    edge = lab.host("edge")
    lab.lan("lan", edge)
    edge.address("eth0", f"{LIMITED}/24")
    frr.start(edge, EDGE)
    made.begin()
    return made


def test_peers_that_get_nothing_are_told_and_the_others_stay(
    watched: Watched, announced: Held
) -> None:
    assert watched.table() == announced
    for peer in (NOBODY, LIMITED):
        told = partial(is_trouble, watched, peer)
        eventually(told, within=10, why=f"{peer} is told")
    reloads, written = bird_of(watched).daemon.log().count("Reconfigured"), own_file(watched).stat()
    unchanged(watched, 4)
    assert bird_of(watched).daemon.log().count("Reconfigured") == reloads
    assert own_file(watched).stat().st_mtime_ns == written.st_mtime_ns
    assert not watched.says().problems
    log = watched.at_work().log()
    assert log.count(f"peer {NOBODY}") <= 4, "a state of a session is told when it is another"
    assert PEER not in log.partition("trouble")[2]


def is_trouble(watched: Watched, peer: str) -> bool:
    """Tell whether the daemon says that something is wrong with this peer."""
    return any(peer in one for one in watched.says().troubles)


def test_a_withdrawal_does_not_wait_for_them(watched: Watched) -> None:
    watched.server.daemon.kill()
    watched.holds({}, within=2)
