"""Why a neighbor of the operator's does not get a prefix: the real cause is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab.frr import Frr
from tests.support.dns_site import Held, Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(26)]

VIP: Final = "10.10.10.10/32"
SIX: Final = "fd00::10:10:10:10/128"
_FRR = """\
router bgp {asn}
 bgp router-id 172.17.2.1
 neighbor 172.17.2.254 remote-as 64512
 neighbor 172.17.2.254 timers connect 1
 neighbor 172.17.2.253 remote-as 64512
 neighbor 172.17.2.253 timers connect 1
 address-family ipv4 unicast
  {ipv4}
 exit-address-family
 address-family ipv6 unicast
  {ipv6}
 exit-address-family
exit
route-map NOTHING deny 10
exit
"""
_BOTH = "neighbor 172.17.2.254 activate\n  neighbor 172.17.2.253 activate"
_BIRD = """
filter nothing {{ reject; }}
protocol bgp edge {{ local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0;
  {channels} }}
protocol bgp 'gobgp:core' {{ local 172.17.2.1 as 64512; neighbor 172.17.2.253 as 64512;
  connect delay time 0;
  {channels} }}
"""
_OPEN4 = 'ipv4 { import none; export where proto ~ "anycast_*"; next hop self; };'
_OPEN6 = 'ipv6 { import none; export where proto ~ "anycast_*"; next hop address fd00:17:2::1; };'
CASES = {
    "frr: a route-map": (
        "frr",
        _FRR.format(
            asn=64512,
            ipv4="neighbor 172.17.2.254 route-map NOTHING out\n"
            "  neighbor 172.17.2.253 route-map NOTHING out",
            ipv6=_BOTH,
        ),
        VIP,
        "route-map NOTHING",
    ),
    "frr: eBGP without a policy": (
        "frr",
        _FRR.format(asn=64513, ipv4=_BOTH, ipv6=_BOTH),
        VIP,
        "RFC 8212",
    ),
    "frr: a family that nobody carries": (
        "frr",
        _FRR.format(asn=64512, ipv4=_BOTH, ipv6="network fd00:1::/64"),
        SIX,
        "no Established session carries IPv6",
    ),
    "bird: a filter": (
        "bird",
        _BIRD.format(channels=f"ipv4 {{ import none; export filter nothing; }}; {_OPEN6}"),
        VIP,
        "filter nothing of protocol",
    ),
    "bird: an unnamed filter": (
        "bird",
        _BIRD.format(channels=f"ipv4 {{ import none; export where false; }}; {_OPEN6}"),
        VIP,
        "the export filter of protocol",
    ),
    "bird: a family that nobody carries": (
        "bird",
        _BIRD.format(channels=_OPEN4),
        SIX,
        "no Established session carries IPv6",
    ),
}


def sessions_of(site: Site) -> list[dict[str, Any]]:
    """Return the sessions that `status` shows; it ends with 4 if others announce our prefixes."""
    found: list[dict[str, Any]] = site.document("status", check=False)["sessions"]
    return found


def begin(lab: Lab, config: dict[str, Any], router_name: str, own: str) -> Site:
    """Lay out the site with the operator's sessions, and wait until dns1 has both of them."""
    site = lay_out(lab, router_name, own=own)
    del config["bgp"]
    site.configure(config)
    if f"router bgp {64513}" in own:
        site.gobgp.daemon.kill()
        site.edge.configure("router bgp 64512", "neighbor 172.17.2.1 remote-as 64513")
    eventually(
        lambda: any(one["established"] for one in sessions_of(site)),
        why="a session is up",
    )
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


def test_a_prefix_that_an_aggregate_covers_is_a_success(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    aggregate = "aggregate-address 10.10.10.0/24 summary-only"
    own = _FRR.format(asn=64512, ipv4=f"{_BOTH}\n  {aggregate}", ipv6=_BOTH)
    site = begin(lab, dns_config, "frr", own)
    done = site.run("apply", check=False)
    eventually(lambda: "10.10.10.0/24" in site.tables()[1], why="the aggregate is sent")
    assert VIP not in site.tables()[1]
    assert (done.code, "AR003" in done.out) == (0, False), done.out
    assert "an aggregate covers it" in site.run("explain", VIP).out


@pytest.mark.parametrize("router_name", ["bird", "frr"])
def test_a_session_for_each_family_side_by_side_is_normal(
    lab: Lab, dns_config: dict[str, Any], router_name: str, announced: Held
) -> None:
    """One session carries IPv4 only, the other one IPv6 only."""
    own = {
        "frr": _FRR.format(
            asn=64512,
            ipv4="no neighbor 172.17.2.253 activate",
            ipv6="neighbor 172.17.2.253 activate",
        ),
        "bird": _BIRD.format(channels=_OPEN4)
        .replace(f"{_OPEN4} }}\n", f"{_OPEN6} }}\n")
        .replace(_OPEN6, _OPEN4, 1),
    }[router_name]
    site = begin(lab, dns_config, router_name, own)
    eventually(lambda: all(one["established"] for one in sessions_of(site)))
    done = site.run("apply", check=False)
    assert (done.code, "[AR003]" in done.out) == (0, False), done.out
    eventually(lambda: SIX in site.tables()[0] and VIP in site.tables()[1])
    explained = site.run("explain", VIP)
    assert f"{VIP} is announced" in explained.out, explained.out
    assert announced


def test_what_the_kernel_gets_is_not_told_as_exported_to_a_peer(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    """BIRD's own name of the session has a colon; its filter refuses everything."""
    own = _BIRD.format(channels="ipv4 { import none; export none; };")
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
    own = _FRR.format(asn=64512, ipv4=f"{_BOTH}\n  redistribute connected", ipv6=_BOTH)
    site = begin(lab, dns_config, "frr", own)
    done = site.run("apply", check=False)
    assert isinstance(site.router, Frr)
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
