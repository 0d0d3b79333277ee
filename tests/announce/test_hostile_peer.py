"""Words of a BGP peer in the router's answers are never taken for the router's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import gobgp
from anycast_routed.lab.bird import Bird
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration

# As a line of its own, this would be a protocol, a session or the end of a reply.
HOSTNAME = "x\n1002-anycast_x_v4 Static master4 up 0\n0000 \nend\n"
REASON = 'x\n1002-evil BGP --- up 0\n    Neighbor address: 6.6.6.6\n0000 \n"}\\\x1b[2J'
SET_HOSTNAME = "import socket, sys; socket.sethostname(sys.argv[1])"


def test_its_hostname_and_its_farewell_are_words_and_nothing_else(
    site: Site, announced: Held
) -> None:
    peer = site.lab.hosts["peer"]
    site.gobgp.daemon.kill()
    peer.run(sys.executable, "-c", SET_HOSTNAME, HOSTNAME)
    site.gobgp = gobgp.start(peer, 64512, "172.17.2.253", peers={"172.17.2.1": 64512})
    site.run("apply")
    site.both_hold(announced)
    assert sessions(site) == {"172.17.2.253": True, "172.17.2.254": True}
    assert "anycast_x_v4" in shown(site), "its name has come so far"
    site.gobgp.gobgp("neighbor", "172.17.2.1", "shutdown", "--reason", REASON)
    down = {"172.17.2.253": False, "172.17.2.254": True}
    eventually(lambda: sessions(site) == down, why="it has said farewell")
    document = site.document("status")
    assert {route["prefix"] for route in document["originated"]} == announced.keys()
    said = site.run("status").out
    assert said.replace("\n", "").isprintable()
    assert "6.6.6.6" not in said


def shown(site: Site) -> str:
    """Return what the router shows of its neighbors."""
    if isinstance(site.router, Bird):
        return site.router.birdc("show protocols all")
    return site.router.vtysh("show bgp neighbors json")


def sessions(site: Site) -> dict[str, bool]:
    """Return for each peer whether its session is up, as `status` shows it."""
    return {one["address"]: one["established"] for one in site.document("status")["sessions"]}
