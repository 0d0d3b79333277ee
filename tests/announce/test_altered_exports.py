"""What an operator's own session changes on its way is told: judged by the peer's table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

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
    from tests.support.dns_site import Site

pytestmark = [pytest.mark.integration, pytest.mark.fault(42)]

VIP: Final = "10.10.10.10/32"
EDGE: Final = "172.17.2.254"
_EXPORT = 'export filter { if proto ~ "anycast_*" then { %s accept; } reject; };'


def bird_with(change: str) -> str:
    """Return the operator's config of BIRD: the session with the edge changes what it exports."""
    channel = f"ipv4 {{ import none; {_EXPORT % change} next hop self; }};"
    core = bird_session("gobgp:core", "172.17.2.253", OPEN4, OPEN6)
    return bird_session("edge", EDGE, channel, OPEN6) + core


def frr_with(change: str) -> str:
    """Return the operator's config of FRR: the session with the edge changes what it exports."""
    own = frr_sessions(ipv4=f"{ACTIVE}\n  neighbor {EDGE} route-map CHANGE out")
    return f"{own}route-map CHANGE permit 10\n {change}\nexit\n"


CHANGES = {
    "bird": bird_with("bgp_local_pref = 150;"),
    "frr": frr_with("set local-preference 150"),
}


def told(site: Site, *verb: str) -> list[str]:
    """Return the lines of a verb about altered exports; the verb ends with 0."""
    return [line for line in site.run(*verb).out.splitlines() if "[AR027]" in line]


@pytest.mark.parametrize("router_name", CHANGES)
def test_another_local_pref_for_one_peer_is_told_by_apply_and_status(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = lay_out_operators(lab, dns_config, router_name, CHANGES[router_name])
    await_sessions(site)
    site.run("apply")
    eventually(lambda: site.edge.rib("ipv4")[VIP].local_pref == 150, why="the edge has 150")
    eventually(lambda: site.gobgp.rib("ipv4")[VIP].local_pref == 200, why="the other has 200")
    for verb in ("status", "apply"):
        lines = told(site, verb)
        assert len(lines) == 2, lines
        assert f"! {VIP} to {EDGE}: exported with LocalPref 150 instead of 200; " in lines[0]
        assert "LocalPref 150 instead of 190" in lines[1], lines
    assert "unchanged" in site.run("apply").out, "it is no reason to load anything"
    found = json.loads(site.run("--json", "status").out)["findings"]
    assert {one["severity"] for one in found if one["code"] == "AR027"} == {"warning"}


def test_it_loads_nothing_again_and_the_daemon_logs_it_once(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = lay_out_operators(lab, dns_config, "frr", CHANGES["frr"])
    await_sessions(site)
    daemon = site.daemon()
    eventually(lambda: daemon.log().count("code=AR027") == 2, why="the daemon logs both prefixes")
    assert site.edge.rib("ipv4")[VIP].local_pref == 150
    assert "problem" not in daemon.log()
    assert "drift" not in daemon.log()


def test_a_session_that_drops_graceful_shutdown_is_told_while_a_drain_lowers(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    own = bird_with("bgp_community.delete([(65535, 0)]);")
    site = lay_out_operators(lab, dns_config, "bird", own)
    await_sessions(site)
    site.run("apply")
    assert told(site, "status") == []
    site.run("drain", VIP)
    site.run("apply")
    eventually(lambda: site.edge.rib("ipv4")[VIP].local_pref == 0, why="it is lowered")
    (line,) = told(site, "status")
    assert f"{VIP} to {EDGE}: exported with no community 65535:0; " in line


SAME = {
    "bird": ("bird", bird_sessions(OPEN4, OPEN6)),
    "bird eBGP": ("bird", bird_sessions(OPEN4, OPEN6).replace("as 64512; n", "as 64513; n")),
    "frr": ("frr", frr_sessions()),
    "frr eBGP": (
        "frr",
        frr_sessions(
            asn=64513,
            ipv4=f"{ACTIVE}\n  neighbor {EDGE} route-map ALL out"
            "\n  neighbor 172.17.2.253 route-map ALL out",
        )
        + "route-map ALL permit 10\nexit\n",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_a_session_that_changes_nothing_is_not_told(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    router_name, own = SAME[case]
    dns_config["anycast"]["routes"] = []  # The edge takes IPv4 alone over eBGP.
    site = lay_out_operators(lab, dns_config, router_name, own)
    if "eBGP" in case:
        site.edge.configure(
            "router bgp 64512",
            "no neighbor 172.17.2.1",
            "no bgp ebgp-requires-policy",
            "neighbor 172.17.2.1 remote-as 64513",
            "neighbor 172.17.2.1 timers connect 1",
        )
        eventually(
            lambda: any(
                one["established"] for one in site.document("status", check=False)["sessions"]
            ),
            why="the edge has a session",
        )
    else:
        await_sessions(site)
    site.run("apply")
    eventually(lambda: VIP in site.edge.rib("ipv4"), why="the edge has it")
    assert told(site, "status") == []
    dns_config["anycast"]["localpref"] = 90
    site.configure(dns_config)
    assert told(site, "apply") == []
    site.run("drain", VIP)
    assert told(site, "apply") == []
    eventually(lambda: told(site, "status") == [], why="the router has sent it")
