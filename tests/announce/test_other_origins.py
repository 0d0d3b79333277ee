"""A prefix is gone only when nothing else on this host announces it: judged by the peer's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.dns_site import Held, Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(42)]

VIP: Final = "10.10.10.10/32"
_FRR = """\
router bgp 64512
 bgp router-id 172.17.2.1
 neighbor 172.17.2.254 remote-as 64512
 neighbor 172.17.2.254 timers connect 1
 neighbor 172.17.2.253 remote-as 64512
 neighbor 172.17.2.253 timers connect 1
 address-family ipv4 unicast
  {ipv4}
 exit-address-family
 address-family ipv6 unicast
  neighbor 172.17.2.254 activate
  neighbor 172.17.2.253 activate
 exit-address-family
exit
"""
_BIRD = """
{own}
filter by_net {{ if net = 10.10.10.10/32 then accept; reject; }}
protocol bgp edge {{ local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0;
  ipv4 {{ import all; export {export}; next hop self; }};
  ipv6 {{ import none; export where proto ~ "anycast_*"; next hop address fd00:17:2::1; }}; }}
protocol bgp 'gobgp:core' {{ local 172.17.2.1 as 64512; neighbor 172.17.2.253 as 64512;
  connect delay time 0;
  ipv4 {{ import none; export {export}; next hop self; }};
  ipv6 {{ import none; export where proto ~ "anycast_*"; next hop address fd00:17:2::1; }}; }}
"""
_DIRECT = 'protocol direct lo1 { interface "lo"; ipv4; }'
_STATIC = "protocol static own { ipv4; route 10.10.10.10/32 blackhole; }"
OTHERS = {
    "frr redistribute": ("frr", _FRR.format(ipv4="redistribute connected"), "`redistribute conn"),
    "bird direct, export all": (
        "bird",
        _BIRD.format(own=_DIRECT, export="all"),
        "protocol direct lo1",
    ),
    "bird direct, filter by net": (
        "bird",
        _BIRD.format(own=_DIRECT, export="filter by_net"),
        "protocol direct lo1",
    ),
    "bird direct, by source": (
        "bird",
        _BIRD.format(own=_DIRECT, export='where proto ~ "anycast_*" || source = RTS_DEVICE'),
        "protocol direct lo1",
    ),
    "bird static": ("bird", _BIRD.format(own=_STATIC, export="all"), "protocol static own"),
}


@pytest.fixture
def config(dns_config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose sessions are the operator's."""
    del dns_config["bgp"]
    return dns_config


def begin(lab: Lab, config: dict[str, Any], router_name: str, own: str) -> Site:
    """Lay out the site with the operator's own config, and wait until both sessions are up."""
    site = lay_out(lab, router_name, own=own)
    site.configure(config)
    eventually(
        lambda: (
            all(one.state == "established" for one in site.gobgp.sessions().values())
            and all(one.state == "established" for one in site.edge.sessions().values())
        ),
        why="both sessions are up",
    )
    return site


@pytest.mark.parametrize("case", OTHERS)
def test_a_prefix_that_this_host_announces_otherwise_is_an_error_when_it_should_be_gone(
    lab: Lab, config: dict[str, Any], case: str
) -> None:
    router_name, own, maker = OTHERS[case]
    site = begin(lab, config, router_name, own)
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
    assert again.code in {0, 4}
    assert all(VIP in table for table in site.tables()), "the peers still have it"


@pytest.mark.parametrize("case", ["frr redistribute", "bird direct, export all"])
def test_while_the_service_is_up_another_origin_is_a_warning(
    lab: Lab, config: dict[str, Any], case: str
) -> None:
    router_name, own, maker = OTHERS[case]
    site = begin(lab, config, router_name, own)
    done = site.run("apply", check=False)
    lines = [line for line in done.out.splitlines() if "[AR007]" in line and VIP in line]
    assert len(lines) == 1, done.out
    assert maker in lines[0]
    assert "[AR006]" not in done.out


@pytest.mark.parametrize("case", ["frr redistribute", "bird static"])
def test_the_daemon_reports_it_in_log_history_status_and_to_systemd(
    lab: Lab, config: dict[str, Any], case: str
) -> None:
    router_name, own, maker = OTHERS[case]
    site = begin(lab, config, router_name, own)
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
    lab: Lab, config: dict[str, Any]
) -> None:
    config["anycast"]["drain-time"] = "0s"
    site = begin(lab, config, *OTHERS["frr redistribute"][:2])
    site.run("apply", check=False)
    done = site.run("drain", VIP, "--wait", check=False)
    assert done.code == 4, done.out + done.err
    assert "[AR006]" in done.out
    done = site.run("withdraw", check=False)
    assert (done.code, "[AR006]" in done.out) == (4, True), done.out


def test_a_network_of_the_operators_keeps_a_dead_prefix(lab: Lab, config: dict[str, Any]) -> None:
    site = begin(lab, config, "frr", _FRR.format(ipv4=f"network {VIP}"))
    eventually(lambda: all(VIP in table for table in site.tables()))
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 4, done.out
    assert f"`network {VIP}`" in done.out
    assert VIP in site.tables()[0]


@pytest.mark.parametrize("router_name", ["bird", "frr"])
def test_a_path_of_a_sibling_is_a_note(lab: Lab, config: dict[str, Any], router_name: str) -> None:
    """This host reflects the sibling's route to its client, also while its own server is dead."""
    own = {
        "frr": _FRR.format(ipv4="neighbor 172.17.2.253 route-reflector-client"),
        "bird": _BIRD.format(own="", export="all").replace(
            "connect delay time 0;\n  ipv4 { import none;",
            "connect delay time 0; rr client;\n  ipv4 { import none;",
        ),
    }[router_name]
    # FRR 10.7.1 ignores a path to an address of its own host.
    site = lay_out(lab, router_name, own=own, addresses=())
    config["anycast"]["routes"].append({"label": "vip", "ip": VIP})
    site.configure(config)
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
