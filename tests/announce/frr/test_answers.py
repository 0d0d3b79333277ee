"""FRR's JSON answers, in the shapes of different releases; no daemon runs."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from anycast_routed.announce.frr.answers import originated
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.model import GRACEFUL_SHUTDOWN, Attributes, Route

PREFIX = "10.10.10.10/32"
CONFIG = f"""\
router bgp 64512
 address-family ipv4 unicast
  network {PREFIX} route-map ANYCAST-ROUTED-0-172.17.2.1-GSHUT
 exit-address-family
"""


def path(*communities: str) -> dict[str, Any]:
    """Return one path as bgpd prints it."""
    return {
        "valid": True,
        "locPrf": 0,
        "nexthops": [{"ip": "172.17.2.1", "scope": "global"}],
        "community": {"list": list(communities)},
    }


@pytest.mark.parametrize(
    "entry",
    [
        [path("gracefulShutdown")],
        [{"prefix": PREFIX}, path("gracefulShutdown")],
        {"prefix": PREFIX, "paths": [path("gracefulShutdown")]},
    ],
    ids=["plain", "detail of 8.4", "detail of later releases"],
)
def test_a_path_is_read_in_every_shape(entry: object) -> None:
    attributes = Attributes(0, ip_address("172.17.2.1"), (GRACEFUL_SHUTDOWN,))
    expected = [Route(ip_network(PREFIX), attributes)]
    assert originated([{"routes": {PREFIX: entry}}], Running(CONFIG)) == expected


def test_an_alias_with_a_colon_is_no_community_of_ours() -> None:
    (route,) = originated([{"routes": {PREFIX: [path("pop:fra", "65535:1")]}}], Running(CONFIG))
    assert route.attributes.communities == ((65535, 1),)
