"""When FRR is asked for each prefix, and what its answers then mean. Pure."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from anycast_routed.announce.frr import answers, commands, exact
from anycast_routed.announce.frr.config_lines import TAG
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.model import Attributes, Route

PREFIX = ip_network("10.10.10.10/32")
EDGE, CORE = "172.17.2.254", "172.17.2.253"
QUESTION = f"show bgp ipv4 unicast {PREFIX} json"


def running(*family: str) -> Running:
    """Return an instance with the prefix, an operator's neighbor, and these lines more."""
    lines = (f"network {PREFIX} route-map ANYCAST-ROUTED-200", f"neighbor {EDGE} activate", *family)
    inside = "".join(f"  {line}\n" for line in lines)
    return Running(
        f"frr version 8.4.4\nrouter bgp 64512\n neighbor {EDGE} remote-as 64512\n !\n"
        f" address-family ipv4 unicast\n{inside} exit-address-family\nexit\n"
    )


def summary(*, rib: int = 3, sent: int = 1, **facts: object) -> dict[str, Any]:
    """Return a summary with a table of this size, and this many prefixes sent to the edge."""
    peer = {"state": "Established", "pfxSnt": sent, "peerUptimeMsec": 90_000} | facts
    return {"ipv4Unicast": {"ribCount": rib, "peers": {EDGE: peer}}}


def answer(*to: str, **facts: object) -> dict[str, Any]:
    """Return bgpd's answer for the prefix: our path is the best, and is sent to these."""
    path = {
        "valid": True,
        "locPrf": 200,
        "tag": TAG,
        "bestpath": {"overall": True},
        "nexthops": [{"ip": "172.17.2.1"}],
    }
    return {"advertisedTo": {name: {} for name in to}, "paths": [path | facts]}


@pytest.mark.parametrize(
    ("facts", "is_exact"),
    [
        (summary(), False),
        (summary(rib=1_000), False),
        (summary(sent=900), False),
        (summary(sent=5_000), True),
        (summary(rib=300_000), True),
        (summary(rib=300_000, state="Idle"), True),
    ],
)
def test_a_large_table_or_much_that_is_sent_is_never_listed(
    facts: dict[str, Any], *, is_exact: bool
) -> None:
    asked = commands.questions(running(), facts).all
    assert (QUESTION in asked) == is_exact
    assert any("ipv4 unicast route-map" in one for one in asked) != is_exact
    assert any("ipv4" in one and "advertised-routes" in one for one in asked) != (
        is_exact or facts["ipv4Unicast"]["peers"][EDGE]["state"] == "Idle"
    )


@pytest.mark.parametrize(
    ("facts", "may_grow"),
    [
        ({}, False),
        ({"peerUptimeMsec": 1_000}, True),
        ({"state": "Active", "peerUptimeMsec": 0}, True),
        ({"state": "Idle (Admin)", "peerUptimeMsec": 0}, False),
    ],
)
def test_a_neighbor_that_comes_up_may_send_a_table(
    facts: dict[str, Any], *, may_grow: bool
) -> None:
    assert exact.may_grow(running(), summary(**facts)) == may_grow


def test_a_neighbor_gets_what_is_advertised_to_it_with_the_attributes_of_the_table() -> None:
    route = Route(PREFIX, Attributes(200, ip_address("172.17.2.1"), None))
    found = {PREFIX: answer(EDGE)}
    assert list(exact.exported(EDGE, found, running())) == [route]
    assert list(exact.exported(CORE, found, running())) == []
    silent = running(f"no neighbor {EDGE} send-community")
    (sent,) = exact.exported(EDGE, found, silent)
    assert sent.attributes.communities == ()


@pytest.mark.parametrize("facts", [{"tag": 7}, {"bestpath": {}}])
def test_another_path_or_one_that_is_not_the_best_is_no_export_of_ours(
    facts: dict[str, Any],
) -> None:
    assert list(exact.exported(EDGE, {PREFIX: answer(EDGE, **facts)}, running())) == []


@pytest.mark.parametrize("nothing", [{}, None])
def test_a_prefix_that_bgpd_does_not_have_is_held_by_nobody(nothing: object) -> None:
    table = exact.table(running(), {PREFIX: nothing})
    assert answers.originated([table], running()) == []
    assert list(exact.exported(EDGE, {PREFIX: nothing}, running())) == []


@pytest.mark.parametrize(
    ("facts", "family", "is_covered"),
    [
        ({}, "aggregate-address 10.10.10.0/24 summary-only", True),
        ({}, "aggregate-address 10.10.10.0/24", False),
        ({}, "aggregate-address 10.9.9.0/24 summary-only", False),
        ({"bestpath": {}}, "aggregate-address 10.10.10.0/24 summary-only", False),
        ({"suppressed": True}, "", True),
    ],
)
def test_an_aggregate_covers_the_best_path_below_it(
    facts: dict[str, Any], family: str, *, is_covered: bool
) -> None:
    config = running(*filter(None, (family,)))
    (route,) = answers.originated([exact.table(config, {PREFIX: answer(**facts)})], config)
    assert route.covered == is_covered
