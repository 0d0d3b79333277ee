"""What may stay as it is where the plan cannot be carried out."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from anycast_routed.decide.proof import bearable
from anycast_routed.model import Announcement, Plan, Route

PREFIX, HOP = ip_network("10.0.0.1/32"), ip_address("172.17.2.1")
OWN = Announcement(PREFIX, "dns", "lo:dns1", 200, HOP, on_host=True)
DOWN = replace(OWN, local_pref=10, note="lowered: dns is down")
DRAINING = replace(OWN, local_pref=0, note="draining", graceful_shutdown=True)


@pytest.mark.parametrize(
    ("wanted", "held", "stays"),
    [
        *((OWN, 300, True), (OWN, 200, True), (OWN, None, True)),
        *((DOWN, 200, False), (DOWN, 10, True), (DOWN, 5, True), (DOWN, None, False)),
        *((DRAINING, 200, False), (DRAINING, 0, False)),
    ],
)
def test_what_is_down_or_drained_never_stays_as_attractive_as_it_was(
    wanted: Announcement, held: int | None, *, stays: bool
) -> None:
    decision = Plan(("dns",), None, (wanted,), ())
    assert (PREFIX in bearable(decision, [Route(PREFIX, held, HOP)])) is stays
    assert (PREFIX in bearable(decision, [])) is (wanted is OWN)
    assert not bearable(Plan(("dns",), None, (), ()), [Route(PREFIX, held, HOP)])
