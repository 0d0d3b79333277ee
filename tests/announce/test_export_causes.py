"""Why a neighbor of the operator's does not get a prefix: the real cause is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.dns_site import Site, lay_out
from tests.support.operators import (
    ACTIVE,
    OPEN4,
    OPEN6,
    await_sessions,
    bird_session,
    bird_sessions,
    frr_sessions,
    lay_out_operators,
)
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(26)]

VIP: Final = "10.10.10.10/32"
SIX: Final = "fd00::10:10:10:10/128"
_NOTHING = "filter nothing { reject; }\n"
_REFUSED = "  ".join(f"neighbor 172.17.2.{one} route-map NOTHING out\n" for one in (254, 253))
CASES = {
    "frr: a route-map": ("frr", frr_sessions(ipv4=_REFUSED), VIP, "route-map NOTHING"),
    "frr: eBGP without a policy": ("frr", frr_sessions(asn=64513), VIP, "RFC 8212"),
    "frr: a family that nobody carries": (
        "frr",
        frr_sessions(ipv6="network fd00:1::/64"),
        SIX,
        "no Established session carries IPv6",
    ),
    "bird: a filter": (
        "bird",
        _NOTHING + bird_sessions("ipv4 { import none; export filter nothing; };", OPEN6),
        VIP,
        "filter nothing of protocol",
    ),
    "bird: an unnamed filter": (
        "bird",
        bird_sessions("ipv4 { import none; export where false; };", OPEN6),
        VIP,
        "the export filter of protocol",
    ),
    "bird: no export": (
        "bird",
        bird_sessions("ipv4 { import none; export none; };", OPEN6),
        VIP,
        "exports nothing",
    ),
    "bird: a family that nobody carries": (
        "bird",
        bird_sessions(OPEN4),
        SIX,
        "no Established session carries IPv6",
    ),
}


def begin(lab: Lab, config: dict[str, Any], router_name: str, own: str) -> Site:
    """Lay out the site with the operator's sessions; return when those that can be up are up."""
    site = lay_out_operators(lab, config, router_name, own)
    if own.startswith("router bgp 64513"):
        site.gobgp.daemon.kill()
        site.edge.configure("router bgp 64512", "neighbor 172.17.2.1 remote-as 64513")
        eventually(lambda: site.edge.sessions()["172.17.2.1"].state == "established")
    else:
        await_sessions(site)
    return site


@pytest.mark.parametrize("case", CASES)
def test_the_cause_of_a_missing_export_is_named(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    router_name, own, prefix, cause = CASES[case]
    site = begin(lab, dns_config, router_name, own)
    done = site.run("apply", check=False)
    assert done.code == 4, done.out
    lines = [one for one in done.out.splitlines() if "[AR003]" in one and prefix in one]
    assert lines, done.out
    assert all(cause in line for line in lines), done.out
    if cause.startswith("no Est"):
        return
    shown = site.run("explain", prefix).out
    assert cause in shown, shown


def test_frr_does_not_hold_an_address_on_an_interface_that_is_down(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    address = "10.10.10.50/32"
    dns_config["anycast"]["routes"] = [{"label": "bridge", "ip": address}]
    site = begin(lab, dns_config, "frr", frr_sessions())
    site.dns1.ip("link", "add", "br9", "type", "bridge")
    site.dns1.ip("address", "add", address, "dev", "br9")
    done = site.run("apply", check=False)
    assert done.code == 4, done.out
    assert "the router holds no such route: FRR uses no route for exactly this prefix" in done.out
    assert "the address needs an interface that is up" in done.out
    assert "[AR004]" in done.out
    site.dns1.ip("link", "set", "br9", "up")
    eventually(lambda: address in site.tables()[1], why="bgpd takes it by itself")
    assert site.run("apply").code == 0


def test_a_prefix_that_an_aggregate_covers_is_a_success(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    aggregate = "aggregate-address 10.10.10.0/24 summary-only"
    own = frr_sessions(ipv4=f"{ACTIVE}\n  {aggregate}")
    site = begin(lab, dns_config, "frr", own)
    done = site.run("apply", check=False)
    eventually(lambda: "10.10.10.0/24" in site.tables()[1], why="the aggregate is sent")
    assert VIP not in site.tables()[1]
    assert (done.code, "AR003" in done.out) == (0, False), done.out
    assert "an aggregate covers it" in site.run("explain", VIP).out


@pytest.mark.parametrize("router_name", ["bird", "frr"])
def test_a_session_for_each_family_side_by_side_is_normal(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    """One session carries IPv4 only, the other one IPv6 only."""
    own = {
        "frr": frr_sessions(
            ipv4="no neighbor 172.17.2.253 activate", ipv6="neighbor 172.17.2.253 activate"
        ),
        "bird": bird_session("edge", "172.17.2.254", OPEN4)
        + bird_session("gobgp:core", "172.17.2.253", OPEN6),
    }[router_name]
    site = begin(lab, dns_config, router_name, own)
    done = site.run("apply", check=False)
    assert (done.code, "[AR003]" in done.out) == (0, False), done.out
    eventually(lambda: SIX in site.tables()[0] and VIP in site.tables()[1])
    explained = site.run("explain", VIP)
    assert f"{VIP} is announced" in explained.out, explained.out


def test_what_the_kernel_gets_is_not_told_as_exported_to_a_peer(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    """BIRD's own name of the session has a colon; its filter refuses everything."""
    own = bird_sessions("ipv4 { import none; export none; };")
    site = begin(lab, dns_config, "bird", own)
    site.run("apply", check=False)
    shown = site.document("status")
    assert {one["name"] for one in shown["sessions"]} == {"edge", "gobgp:core"}
    assert all(not routes for routes in shown["exported"].values())
    assert "exported to no peer" in site.run("status").out


def test_the_path_that_frr_sends_is_compared_not_the_first_one(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    """The redistributed path has LocalPref 100 and wins against ours with 50."""
    dns_config["anycast"]["localpref"] = 50
    own = frr_sessions(ipv4=f"{ACTIVE}\n  redistribute connected")
    site = begin(lab, dns_config, "frr", own)
    done = site.run("apply", check=False)
    eventually(lambda: site.tables()[1].get(VIP, (0, ""))[0] == 100)
    assert done.code == 4, done.out
    assert "bgpd prefers another path, that this host makes" in done.out
    assert not [
        one
        for one in site.run("status").out.splitlines()
        if VIP in one and "to 172" in one and one.startswith("+")
    ]


def test_two_link_local_neighbors_with_one_address_are_two_sessions(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    own = "".join(
        f"protocol bgp ll{number} {{ local fe80::1 as 64512; neighbor fe80::2%{interface} as 64512;"
        f" direct; ipv6 {{ import none; export all; }}; }}\n"
        for number, interface in enumerate(("eth0", "lo"))
    )
    site = lay_out(lab, "bird", own=own)
    del dns_config["bgp"]
    site.configure(dns_config)
    shown = site.document("status")["sessions"]
    assert {(one["name"], one["address"]) for one in shown} == {
        ("ll0", "fe80::2%eth0"),
        ("ll1", "fe80::2%lo"),
    }
