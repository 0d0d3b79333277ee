"""FRR's neighbors that get everything, and the commands that announce a prefix. Pure."""

from ipaddress import ip_network
from typing import Any

import pytest

from anycast_routed.announce.frr.config_lines import TAG
from anycast_routed.announce.frr.origins import open_neighbors, origins
from anycast_routed.announce.frr.running_config import Running

PREFIX = ip_network("10.0.0.1/32")
LOCAL = {"peerId": "(unspec)"}  # no peer, as FRR writes it too
OURS = {"tag": TAG, "valid": True, "peer": LOCAL, "nexthops": [], "bestpath": {"overall": True}}


def running(neighbor: str = "", family: str = "", remote: str = "64512") -> Running:
    """Return an instance of AS 64512 with one neighbor, and these lines more."""
    more = "".join(f" {line}\n" for line in filter(None, (neighbor,)))
    inside = "".join(f"  {line}\n" for line in filter(None, (family,)))
    return Running(
        f"router bgp 64512\n neighbor 10.9.9.9 remote-as {remote}\n{more} !\n"
        f" address-family ipv4 unicast\n{inside} exit-address-family\nexit\n"
    )


@pytest.mark.parametrize(
    ("config", "is_open"),
    [
        (running(), True),
        (running(remote="internal"), True),
        (running(remote="64513"), False),
        (running("neighbor 10.9.9.9 shutdown"), False),
        (running(family="neighbor 10.9.9.9 route-map MINE out"), False),
        (running(family="neighbor 10.9.9.9 prefix-list MINE out"), False),
        (running(family="neighbor 10.9.9.9 route-map MINE in"), True),
        (running(family="no neighbor 10.9.9.9 activate"), False),
    ],
)
def test_a_neighbor_is_open_if_nothing_filters_what_it_is_sent(
    config: Running, *, is_open: bool
) -> None:
    assert bool(open_neighbors(config, "ipv4")) == is_open


@pytest.mark.parametrize(
    ("path", "family", "made_by", "learned"),
    [
        ({"local": True}, "", "`network 10.0.0.1/32`", False),
        ({}, "redistribute connected", "`redistribute connected`", False),
        ({}, "redistribute ospf", "`redistribute ospf`", True),
        ({"peer": {"peerId": "10.8.8.8"}}, "", "the session with 10.8.8.8", True),
    ],
)
def test_the_best_path_names_what_announces_the_prefix(
    path: dict[str, Any], family: str, made_by: str, *, learned: bool
) -> None:
    best = {"peer": LOCAL, "nexthops": [], "bestpath": {"overall": True}, **path}
    answer = {"advertisedTo": {"10.9.9.9": {}}, "paths": [best]}
    (found,) = origins(PREFIX, answer, running(family=family))
    assert (found.made_by, found.peers, found.learned) == (made_by, ("10.9.9.9",), learned)


def test_a_path_below_ours_counts_if_a_neighbor_is_open() -> None:
    below = {"peer": LOCAL, "nexthops": [], "valid": True}
    answer = {"advertisedTo": {"10.9.9.9": {}}, "paths": [OURS, below]}
    (found,) = origins(PREFIX, answer, running(family="redistribute connected"))
    assert found.peers == ()
    assert not list(origins(PREFIX, answer, running(remote="64513")))
    assert not list(origins(PREFIX, {**answer, "paths": [OURS]}, running()))
    assert not list(origins(PREFIX, {}, running()))
