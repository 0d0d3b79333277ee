"""No line of the operator's config, known to us or not, stops a read-back or a withdrawal."""

import contextlib
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anycast_routed.announce.frr import changes, config_lines, conflicts, exact, notes
from anycast_routed.announce.frr.origins import open_neighbors, origins
from anycast_routed.announce.frr.running_config import Rendered, Running, running
from anycast_routed.announce.frr.sender import script
from anycast_routed.errors import ConfigError

OURS = """\
router bgp 64512
 neighbor 172.17.2.254 remote-as 64512
 address-family ipv4 unicast
  network 10.0.0.1/32 route-map ANYCAST-ROUTED-200-172.17.2.1
  neighbor 172.17.2.254 activate
  neighbor 172.17.2.254 route-map ANYCAST-ROUTED-IN in
  neighbor 172.17.2.254 route-map ANYCAST-ROUTED-OUT out
  neighbor 172.17.2.254 attribute-unchanged next-hop
 exit-address-family
exit
route-map ANYCAST-ROUTED-OUT permit 10
 match tag 53179
exit
"""
HEADERS = (
    "router bgp 64512",
    "router bgp 64512 vrf red",
    "router bgp 1.10 view blue as-notation dot",
    "router ospf",
    "route-map ANYCAST-ROUTED-OUT permit 10",
    "vrf red",
    " address-family ipv4 unicast",
    " address-family ipv6 unicast",
    " address-family ipv4 multicast",
    " address-family ipv4 vpn",
    " address-family l2vpn evpn",
    "  vni 100",
)
WORDS = (
    *("no", "neighbor", "network", "ip", "ipv6", "route", "aggregate-address", "redistribute"),
    *("172.17.2.254", "eth0", "GROUP", "10.0.0.0/8", "10.0.0.1/24", "10.0.0.0", "255.0.0.0"),
    *("route-map", "ANYCAST-ROUTED-IN", "ANYCAST-ROUTED-OUT", "in", "out", "250", "tag"),
    *("attribute-unchanged", "next-hop", "activate", "remote-as", "external", "peer-group"),
    *("interface", "timers", "password", "summary-only", "shutdown", "description", "bgp", "ospf"),
)
odd_lines = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
configs = st.lists(
    st.one_of(
        st.sampled_from(HEADERS),
        st.tuples(st.sampled_from(("", " ", "  ", "   ")), odd_lines).map("".join),
    ),
    max_size=20,
).map("\n".join)


@settings(deadline=None, max_examples=500)
@given(configs, st.sampled_from([None, frozenset[str](), frozenset({"172.17.2.254"})]))
@example("router bgp 64512\n neighbor out\n no", None)
@example("router bgp 64512\n neighbor 172.17.2.254", frozenset({"172.17.2.254"}))
@example("router bgp 64512\n address-family ipv4 unicast\n  network\n  aggregate-address", None)
@example("ip route 250\nrouter bgp 64512\n neighbor no peer-group", None)
def test_no_config_of_the_operator_raises(config: str, known: frozenset[str] | None) -> None:
    found, wanted = Running(f"{config}\n{OURS}", known), Rendered(OURS)
    assert "" not in found.our_neighbors
    assert config_lines.network(found.lines[-1]) is None
    todo = changes.changes(wanted, found)
    changes.way_back(found, wanted, wanted)
    script(todo.additions)
    path: dict[str, Any] = {"nexthops": [], "bestpath": {"overall": True}}
    prefix = ip_network("10.0.0.1/32")
    list(origins(prefix, {"advertisedTo": {"10.9.9.9": {}}, "paths": [path]}, found))
    exact.table(found, {prefix: {"paths": [path]}})
    list(notes.of_running_config(found, shares=False))
    list(notes.of_vrfs(found))
    assert isinstance(found.is_ours_alone, bool)
    assert isinstance(found.logs_passwords, bool)
    with contextlib.suppress(ConfigError):
        conflicts.refuse_conflicts(wanted, found)


@pytest.mark.parametrize(
    ("known", "marks", "is_ours"),
    [
        (None, 3, True),
        (None, 2, False),
        (frozenset({"10.9.9.9"}), 2, True),
        (frozenset({"10.9.9.9"}), 1, False),
        (frozenset[str](), 3, False),
    ],
)
def test_a_neighbor_is_ours_if_the_last_load_gave_it_and_two_marks_are_left(
    known: frozenset[str] | None, marks: int, *, is_ours: bool
) -> None:
    texts = (
        "route-map ANYCAST-ROUTED-IN in",
        "route-map ANYCAST-ROUTED-OUT out",
        "attribute-unchanged next-hop",
    )
    inside = "".join(f"  neighbor 10.9.9.9 {mark}\n" for mark in texts[:marks])
    text = (
        "router bgp 64512\n neighbor 10.9.9.9 remote-as 64512\n"
        f" address-family ipv4 unicast\n{inside}"
    )
    assert (running(text, known).our_neighbors == {"10.9.9.9"}) == is_ours
    assert running(text, known) is running(text, known)


@pytest.mark.parametrize(
    ("more", "is_open"),
    [
        ("", False),
        (" no bgp ebgp-requires-policy\n", True),
        (" no bgp ebgp-requires-policy\n neighbor 10.9.9.9 shutdown message planned\n", False),
        ("frr defaults datacenter\n", True),
        ("frr defaults datacenter\n bgp ebgp-requires-policy\n", False),
    ],
)
def test_an_ebgp_neighbor_is_open_if_frr_wants_no_policy(more: str, *, is_open: bool) -> None:
    top, inside = (
        (more[: more.index("\n") + 1], more[more.index("\n") + 1 :])
        if more[:3] == "frr"
        else ("", more)
    )
    text = f"{top}router bgp 64512\n{inside} neighbor 10.9.9.9 remote-as external\n"
    assert bool(open_neighbors(Running(text), "ipv4")) == is_open


def test_a_neighbor_of_an_interface_is_open_too() -> None:
    text = "router bgp 64512\n neighbor eth0 interface remote-as internal\n"
    assert open_neighbors(Running(text), "ipv4") == ("eth0",)
