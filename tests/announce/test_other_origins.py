"""A prefix is gone only when nothing else on this host announces it: judged by the peer's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab import bird
from tests.support.dns_site import INCLUDE, Held, Site, lay_out
from tests.support.operators import (
    ACTIVE,
    OPEN6,
    await_sessions,
    bird_session,
    bird_sessions,
    frr_sessions,
    lay_out_operators,
)
from tests.support.router_faults import frr_of
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(42)]

VIP: Final = "10.10.10.10/32"
ELSEWHERE: Final = "10.10.10.99/32"
THERE: Final = "10.10.10.50/32"
_BY_NET = "filter by_net { if net = 10.10.10.10/32 then accept; reject; }\n"
_DIRECT = 'protocol direct lo1 { interface "lo"; ipv4; }'
_STATIC = "protocol static own { ipv4; route 10.10.10.10/32 blackhole; }"


def bird_with(own: str, export: str) -> str:
    """Return the operator's config of BIRD; `export` is the export line for IPv4."""
    channel = f"ipv4 {{ import all; {export}; next hop self; }};"
    return f"{own}\n{_BY_NET}{bird_sessions(channel, OPEN6)}"


OTHERS = {
    "frr redistribute": ("frr", frr_sessions(ipv4="redistribute connected"), "`redistribute conn"),
    "bird direct, export all": ("bird", bird_with(_DIRECT, "export all"), "protocol direct lo1"),
    "bird direct, filter by net": (
        "bird",
        bird_with(_DIRECT, "export filter by_net"),
        "protocol direct lo1",
    ),
    "bird direct, by source": (
        "bird",
        bird_with(_DIRECT, 'export where proto ~ "anycast_*" || source = RTS_DEVICE'),
        "protocol direct lo1",
    ),
    "bird static": ("bird", bird_with(_STATIC, "export all"), "protocol static own"),
}


def begin(lab: Lab, config: dict[str, Any], router_name: str, own: str) -> Site:
    """Lay out the site with the operator's own config, and wait until both sessions are up."""
    site = lay_out_operators(lab, config, router_name, own)
    await_sessions(site)
    return site


@pytest.mark.parametrize("case", OTHERS)
def test_a_prefix_that_this_host_announces_otherwise_is_an_error_when_it_should_be_gone(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    router_name, own, maker = OTHERS[case]
    site = begin(lab, dns_config, router_name, own)
    site.run("apply", check=False)
    eventually(lambda: all(VIP in table for table in site.tables()))

    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 4, done.out
    eventually(lambda: all(table[VIP][0] == 100 for table in site.tables()), why="LocalPref")
    lines = [line for line in done.out.splitlines() if "[AR006]" in line and VIP in line]
    assert len(lines) == 1, done.out
    assert maker in lines[0]
    for verb in (("status",), ("status", VIP), ("explain", VIP)):
        shown = site.run(*verb, check=False)
        assert (shown.code, "[AR006]" in shown.out) == (4, True), shown.out
    again = site.run("withdraw", check=False)
    assert (again.code, "[AR006]" in again.out) == (4, True), again.out
    assert all(VIP in table for table in site.tables()), "the peers still have it"


@pytest.mark.parametrize("case", ["frr redistribute", "bird direct, export all"])
def test_while_the_service_is_up_another_origin_is_a_warning(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    router_name, own, maker = OTHERS[case]
    site = begin(lab, dns_config, router_name, own)
    done = site.run("apply", check=False)
    lines = [line for line in done.out.splitlines() if "[AR007]" in line and VIP in line]
    assert len(lines) == 1, done.out
    assert maker in lines[0]
    assert "[AR006]" not in done.out


def test_our_own_static_that_frr_redistributes_is_no_other_origin(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    own = frr_sessions(ipv4=f"redistribute static\n  redistribute kernel\n  {ACTIVE}")
    dns_config["anycast"]["routes"] = [{"label": "off", "ip": ELSEWHERE, "blackhole": True}]
    site = begin(lab, dns_config, "frr", own)
    done = site.run("apply")
    eventually(lambda: all(ELSEWHERE in table for table in site.tables()), why="it is announced")
    paths = frr_of(site).vtysh(f"show bgp ipv4 unicast {ELSEWHERE} json")
    assert '"tag":53180' in paths.replace(" ", ""), "FRR redistributes our static"
    for shown in (done.out, site.run("status").out):
        assert "redistribute" not in shown, shown
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: all(ELSEWHERE not in table for table in site.tables()), why="it is gone")


@pytest.mark.parametrize("case", ["frr redistribute", "bird static"])
def test_the_daemon_reports_it_in_log_history_status_and_to_systemd(
    lab: Lab, dns_config: dict[str, Any], case: str
) -> None:
    router_name, own, maker = OTHERS[case]
    site = begin(lab, dns_config, router_name, own)
    daemon = site.daemon()
    eventually(lambda: VIP in site.run("status").out)
    site.server.daemon.kill()
    eventually(
        lambda: any(one.code == "AR006" for one in site.status().findings), why="it is reported"
    )
    eventually(lambda: "code=AR006" in daemon.log())
    shown = site.run("history", VIP).out
    assert maker in shown
    sessions = [peer.sessions()["172.17.2.1"] for peer in (site.gobgp, site.edge)]
    assert all(one.state == "established" for one in sessions)


def test_a_drain_is_not_over_while_frr_redistributes_the_prefix(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    dns_config["anycast"]["drain-time"] = "0s"
    site = begin(lab, dns_config, *OTHERS["frr redistribute"][:2])
    site.run("apply", check=False)
    done = site.run("drain", VIP, "--wait", check=False)
    assert done.code == 4, done.out + done.err
    assert "[AR006]" in done.out
    done = site.run("withdraw", check=False)
    assert (done.code, "[AR006]" in done.out) == (4, True), done.out


@pytest.fixture
def withheld(lab: Lab, dns_config: dict[str, Any]) -> Site:
    """Lay out a site where the operator's kernel route is announced, and ours is withheld.

    The address is on another host, and BIRD would give the kernel a blackhole route for it.
    """
    dns_config["anycast"] |= {"drain-time": "0s", "routes": [{"label": "there", "ip": THERE}]}
    own = bird_sessions("ipv4 { import all; export all; next hop self; };", OPEN6)
    site = lay_out(lab, "bird")
    del dns_config["bgp"]
    site.configure(dns_config)
    learning = bird.STOCK.replace("ipv4 { export all; };", "learn; ipv4 { export all; };")
    assert learning != bird.STOCK
    site.router.configure(learning + INCLUDE + own)
    site.dns1.ip("route", "add", THERE, "via", "172.17.2.253", "proto", "static")
    await_sessions(site)
    eventually(lambda: all(THERE in table for table in site.tables()), why="BIRD has learned it")
    return site


def test_a_withheld_prefix_of_a_healthy_service_may_be_announced_by_others(withheld: Site) -> None:
    """To follow the advice of an error would take a healthy address off the network."""
    site = withheld
    for verb in (("apply",), ("status",), ("explain", THERE)):
        done = site.run(*verb, check=False)
        assert done.code == 0, (verb, done.out)
        assert "[AR006]" not in done.out, verb
        (line,) = (one for one in done.out.splitlines() if "[AR007]" in one and THERE in one)
        assert "but not before anycast-routed announces it" in line, verb
    assert "[AR021]" in site.run("status").out
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert (done.code, "[AR006]" in done.out) == (4, True), done.out
    assert all(THERE in table for table in site.tables()), "the peers have it"


@pytest.mark.parametrize("target", [THERE, "dns"])
def test_a_drain_looks_for_a_withheld_prefix_too(withheld: Site, target: str) -> None:
    site = withheld
    site.run("apply")
    done = site.run("drain", target, "--wait", check=False)
    assert all(THERE in table for table in site.tables()), "the peers have it"
    lines = [one for one in done.out.splitlines() if "[AR006]" in one and THERE in one]
    assert (done.code, len(lines)) == (4, 1), done.out


def test_a_network_of_the_operators_keeps_a_dead_prefix(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "frr", frr_sessions(ipv4=f"network {VIP}"))
    eventually(lambda: all(VIP in table for table in site.tables()))
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 4, done.out
    assert f"`network {VIP}`" in done.out
    assert VIP in site.tables()[0]


@pytest.mark.parametrize("router_name", ["bird", "frr"])
def test_a_path_of_a_sibling_is_a_note(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    """This host reflects the sibling's route to its client, also while its own server is dead."""
    channel = "ipv4 { import all; export all; next hop self; };"
    edge = bird_session("edge", "172.17.2.254", channel, OPEN6)
    own = {
        "frr": frr_sessions(ipv4=f"{ACTIVE}\n  neighbor 172.17.2.253 route-reflector-client"),
        "bird": edge + bird_session("core", "172.17.2.253", channel, OPEN6, option="rr client;"),
    }[router_name]
    # FRR 10.7.1 ignores a path to an address of its own host.
    site = lay_out(lab, router_name, own=own, addresses=())
    del dns_config["bgp"]
    dns_config["anycast"]["routes"].append({"label": "vip", "ip": VIP})
    site.configure(dns_config)
    site.edge.host.address("lo", VIP)
    site.edge.configure("router bgp 64512", "address-family ipv4 unicast", "network 10.10.10.10/32")
    site.server.daemon.kill()
    eventually(lambda: VIP in site.gobgp.rib("ipv4"), why="the sibling's route is reflected")
    done = site.run("apply", check=False)
    assert done.code == 0, done.out
    assert "[AR008]" in done.out
    assert "[AR006]" not in done.out


def test_with_own_sessions_nobody_else_is_asked(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    assert site.document("status")["origins"] == []
