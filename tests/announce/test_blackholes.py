"""No blackhole route of the router reaches the kernel where it would cut off an address.

Judged by the kernel's own route lookup on dns1, and by the tables of both peers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab import bird, dns
from tests.support.dns_site import INCLUDE, RUN_DIR, Site, lay_out
from tests.support.operators import (
    OPEN4,
    OPEN6,
    await_sessions,
    bird_sessions,
    frr_sessions,
    lay_out_operators,
)
from tests.support.router_faults import frr_of
from tests.support.waiting import eventually, never

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(45)]

VIP: Final = "10.10.10.50"
SIX: Final = "fd00::10:10:10:50"
_OPEN = bird_sessions(OPEN4, OPEN6)
_STOCK = "export all;"
OURS_LEFT_OUT = 'export where proto !~ "anycast_*";'
ROUTERS = ("bird", "frr")
_NAT = f"""
table ip nat {{
  chain output {{
    type nat hook output priority -100;
    ip daddr {VIP} dnat to 172.17.2.254
  }}
}}
"""


def begin(lab: Lab, config: dict[str, Any], router_name: str, *, kernel: str = _STOCK) -> Site:
    """Lay out a site with the operator's sessions and two routes; `kernel` is BIRD's filter."""
    routes(config)
    own = _OPEN if router_name == "bird" else frr_sessions()
    site = lay_out_operators(lab, config, router_name, own)
    if router_name == "bird" and kernel != _STOCK:
        site.dns1.write(bird.CONF, bird.STOCK.replace(_STOCK, kernel) + INCLUDE + own)
        # BIRD 3.1.8 and 3.4.0 can crash when a reload gives a kernel channel another filter.
        site.router.restart()
    await_sessions(site)
    return site


def with_consent(lab: Lab, config: dict[str, Any], router_name: str) -> Site:
    """Lay out a site that announces both routes with a blackhole route each."""
    site = begin(lab, config, router_name)
    routes(config, blackhole=True)
    site.configure(config)
    announced(site)
    return site


def routes(config: dict[str, Any], **options: object) -> None:
    """Let the config announce both addresses, and no label."""
    for key in ("interface", "prefix", "decrease"):
        config["anycast"].pop(key, None)
    config["anycast"]["routes"] = [
        {"label": "four", "ip": f"{VIP}/32", **options},
        {"label": "six", "ip": f"{SIX}/128", **options},
    ]


def held(site: Site) -> list[set[str]]:
    """Return which of the two addresses each peer holds."""
    return [{one for one in (f"{VIP}/32", f"{SIX}/128") if one in t} for t in site.tables()]


def blackholes(site: Site) -> str:
    """Return the kernel's blackhole routes."""
    return "".join(
        site.dns1.run("ip", family, "route", "show", "type", "blackhole").out
        for family in ("-4", "-6")
    )


def let_an_older_version_have_run(site: Site) -> None:
    """Write the record as a version without the rule did."""
    record = site.file(f"{RUN_DIR}/state.json")
    facts = json.loads(record.read_text())
    del facts["blackholes"]
    record.write_text(json.dumps(facts))


def announced(site: Site) -> None:
    """Apply, and wait until both peers hold both addresses."""
    site.run("apply")
    eventually(lambda: held(site) == [{f"{VIP}/32", f"{SIX}/128"}] * 2, why="both peers")


def withheld(site: Site, *, why: str) -> None:
    """Apply: nothing is announced, and the plan, the status and the explanation say why."""
    for verb in (("plan",), ("apply",), ("status",), ("explain", f"{VIP}/32")):
        shown = site.run(*verb, check=False).out
        assert why in shown, shown
        assert "blackhole" in shown, shown
    assert held(site) == [set(), set()]
    assert blackholes(site) == ""


@pytest.mark.parametrize("router_name", ROUTERS)
def test_an_address_that_is_nowhere_is_withheld(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = begin(lab, dns_config, router_name)
    withheld(site, why="blackhole = true")
    assert "[AR021]" in site.run("apply", check=False).out


@pytest.mark.parametrize("router_name", ROUTERS)
def test_a_route_to_a_container_stays_in_use(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = begin(lab, dns_config, router_name)
    site.dns1.ip("route", "add", "10.10.10.0/24", "via", "172.17.2.253")
    site.dns1.ip("-6", "route", "add", "fd00::10:10:10:0/112", "via", "fd00:17:2::fd")
    withheld(site, why="blackhole = true")
    assert "via 172.17.2.253" in site.dns1.ip("route", "get", VIP)


def test_frr_announces_an_address_with_a_route_of_its_own_without_a_blackhole(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "frr")
    site.dns1.ip("route", "add", f"{VIP}/32", "via", "172.17.2.253")
    site.dns1.ip("-6", "route", "add", f"{SIX}/128", "via", "fd00:17:2::fd")
    announced(site)
    assert blackholes(site) == ""
    site.dns1.ip("route", "del", f"{VIP}/32")
    eventually(lambda: held(site) == [{f"{SIX}/128"}] * 2, why="bgpd withdraws it by itself")
    site.run("apply", check=False)
    assert blackholes(site) == ""
    assert held(site) == [{f"{SIX}/128"}] * 2


def test_frr_does_not_count_a_route_of_bgp_or_one_that_is_not_in_use(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "frr")
    family = ("router bgp 64512", "address-family ipv4 unicast")
    site.edge.configure("router bgp 64512", "no bgp network import-check")
    site.edge.configure(*family, f"network {VIP}/32")
    router = frr_of(site)
    router.configure(f"ipv6 route {SIX}/128 fd00:99::1")
    eventually(lambda: "bgp" in router.vtysh(f"show ip route {VIP}/32"), why="the other's")
    router.configure(*family, f"network {VIP}/32")
    never(lambda: f"{VIP}/32" in site.tables()[0], seconds=2, why="bgpd announces it")
    router.configure(*family, f"no network {VIP}/32")
    for verb in (("plan",), ("apply",), ("status",)):
        shown = site.run(*verb, check=False).out
        assert "comes from BGP" in shown, shown
        assert "needs a blackhole" in shown, shown
        assert shown.count("[AR021]") == 2, shown
        assert "[AR004]" not in shown, shown
    site.dns1.address("lo", f"{VIP}/32").address("lo", f"{SIX}/128")
    site.run("apply")
    gobgp = [f"{VIP}/32", f"{SIX}/128"]
    eventually(lambda: all(one in site.tables()[0] for one in gobgp), why="they are on the host")
    assert site.tables()[0][f"{VIP}/32"] == (200, "172.17.2.1")


@pytest.mark.parametrize("router_name", ROUTERS)
def test_a_consent_announces_it_with_a_blackhole_in_the_kernel(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = with_consent(lab, dns_config, router_name)
    eventually(lambda: VIP in blackholes(site) and SIX in blackholes(site), why="the kernel")
    assert "[AR021]" not in site.run("status").out


@pytest.mark.parametrize("kernel", ["export none;", "export filter nothing;"])
def test_bird_announces_it_if_its_kernel_protocols_export_nothing(
    lab: Lab, dns_config: dict[str, Any], kernel: str
) -> None:
    site = begin(lab, dns_config, "bird")
    text = bird.STOCK.replace(_STOCK, kernel) + INCLUDE + _OPEN
    site.router.configure(f"filter nothing {{ reject; }}\n{text}")
    await_sessions(site)
    if kernel == "export none;":
        announced(site)
    else:
        withheld(site, why="may give the kernel")
    assert blackholes(site) == ""


def test_with_a_filter_that_leaves_ours_out_a_consent_puts_nothing_into_the_kernel(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "bird", kernel=OURS_LEFT_OUT)
    withheld(site, why="may give the kernel")
    routes(dns_config, blackhole=True)
    site.configure(dns_config)
    announced(site)
    assert blackholes(site) == ""


@pytest.mark.parametrize("router_name", ROUTERS)
@pytest.mark.parametrize("is_local", ["an address", "a local route"])
def test_what_the_kernel_delivers_here_is_announced(
    lab: Lab, dns_config: dict[str, Any], router_name: str, is_local: str
) -> None:
    site = begin(lab, dns_config, router_name)
    if is_local == "an address":
        site.dns1.address("lo", f"{VIP}/24").address("lo", f"{SIX}/112")
    else:
        site.dns1.ip("route", "add", "local", f"{VIP}/32", "dev", "lo")
        site.dns1.ip("-6", "route", "add", "local", f"{SIX}/128", "dev", "lo")
    announced(site)
    for address in (VIP, SIX):
        assert site.dns1.ip("route", "get", address).startswith("local"), address


@pytest.mark.parametrize("router_name", ROUTERS)
def test_a_wide_local_route_does_not_make_a_blackhole_harmless(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = begin(lab, dns_config, router_name)
    site.dns1.ip("route", "add", "local", "10.10.10.0/24", "dev", "lo")
    site.dns1.ip("-6", "route", "add", "local", "fd00::10:10:10:0/112", "dev", "lo")
    withheld(site, why="blackhole = true")
    for address in (VIP, SIX):
        assert site.dns1.ip("route", "get", address).startswith("local"), address


@pytest.mark.parametrize("router_name", ROUTERS)
def test_with_sessions_of_the_config_it_is_announced_without_a_route_in_the_kernel(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = lay_out(lab, router_name)
    routes(dns_config)
    site.configure(dns_config)
    site.dns1.ip("route", "add", "10.10.10.0/24", "via", "172.17.2.253")
    announced(site)
    assert blackholes(site) == ""
    assert "via 172.17.2.253" in site.dns1.ip("route", "get", VIP)


@pytest.mark.parametrize("router_name", ROUTERS)
def test_an_address_that_leaves_the_host_is_withdrawn_by_the_daemon(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = begin(lab, dns_config, router_name)
    site.dns1.address("lo", f"{VIP}/32").address("lo", f"{SIX}/128")
    daemon = site.daemon()
    eventually(lambda: held(site) == [{f"{VIP}/32", f"{SIX}/128"}] * 2, why="both peers")
    site.dns1.remove_address("lo", f"{VIP}/32")
    eventually(lambda: held(site) == [{f"{SIX}/128"}] * 2, why="one is gone")
    eventually(lambda: VIP not in blackholes(site), why="nor is a route for it in the kernel")
    site.dns1.address("lo", f"{VIP}/32")
    eventually(lambda: held(site) == [{f"{VIP}/32", f"{SIX}/128"}] * 2, why="it is back")
    daemon.terminate()


@pytest.mark.parametrize("router_name", ROUTERS)
def test_an_upgrade_withdraws_nothing_and_reports_the_blackhole(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = with_consent(lab, dns_config, router_name)
    peer = site.recording_peer()
    eventually(lambda: len(peer.table()) == 2, why="the recording peer has both")
    let_an_older_version_have_run(site)
    routes(dns_config)
    site.configure(dns_config)
    mark = peer.mark()
    daemon = site.daemon()
    eventually(lambda: "[AR021]" in site.run("status").out, why="an error finding")
    site.server.daemon.kill()
    eventually(lambda: not peer.table(), why="the server is dead")
    site.server.restart()
    eventually(lambda: len(peer.table()) == 2, why="it is tolerated until the next boot")
    assert [one.kind for one in peer.changes(mark)] == ["withdraw"] * 2 + ["announce"] * 2
    daemon.terminate()


@pytest.mark.parametrize("router_name", ROUTERS)
def test_a_check_through_a_destination_nat_stays_up(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = lay_out(lab, router_name)
    dns.unbound(site.edge.host, zones={"google.com.": ()}, address=("172.17.2.254",))
    site.dns1.ip("route", "add", "default", "via", "172.17.2.254")
    site.dns1.write("/etc/nat.nft", _NAT)
    site.dns1.run("nft", "-f", "/etc/nat.nft")
    routes(dns_config)
    dns_config["anycast"]["routes"].pop()
    dns_config["dns"] |= {"ip": VIP, "half-life": 0, "interval": "200ms"}
    site.configure(dns_config)
    daemon = site.daemon()
    eventually(lambda: held(site) == [{f"{VIP}/32"}] * 2, why="both peers")
    peer = site.recording_peer()
    eventually(lambda: f"{VIP}/32" in peer.table(), why="the recording peer")
    mark = peer.mark()
    for _ in range(3):
        assert "pass" in site.run("check").out
    assert peer.changes(mark) == []
    assert blackholes(site) == ""
    daemon.terminate()


def test_undrain_does_not_wait_for_a_prefix_that_is_withheld(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "bird")
    site.dns1.address("lo", f"{VIP}/32")
    site.run("apply")
    eventually(lambda: held(site) == [{f"{VIP}/32"}] * 2, why="one is announced")
    site.run("drain", "dns", "--wait", within=60)
    site.run("undrain", "dns", "--wait", within=60)
    eventually(lambda: held(site) == [{f"{VIP}/32"}] * 2, why="it is back")


def test_what_bird_keeps_out_of_the_kernel_returns_after_a_death(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "bird", kernel=OURS_LEFT_OUT)
    site.dns1.address("lo", f"{VIP}/32").address("lo", f"{SIX}/128")
    announced(site)
    site.dns1.remove_address("lo", f"{VIP}/32")
    announced(site)
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: held(site) == [set(), set()], why="the server is dead")
    site.server.restart()
    announced(site)
    assert blackholes(site) == ""
    assert isinstance(site.router, bird.Bird)
    site.router.configure(bird.STOCK + INCLUDE + _OPEN)
    await_sessions(site)
    site.run("apply", check=False)
    eventually(lambda: held(site) == [{f"{SIX}/128"}] * 2, why="now the kernel would get it")
    eventually(lambda: VIP not in blackholes(site), why="nor does the kernel keep it")


@pytest.mark.parametrize("router_name", ROUTERS)
def test_only_what_an_older_version_announced_is_tolerated(
    lab: Lab, dns_config: dict[str, Any], router_name: str
) -> None:
    site = with_consent(lab, dns_config, router_name)
    let_an_older_version_have_run(site)
    routes(dns_config)
    new = {"label": "new", "ip": "10.10.10.60/32"}
    dns_config["anycast"]["routes"].append(new)
    site.configure(dns_config)
    announced(site)
    assert "10.10.10.60" not in blackholes(site)
    assert all("10.10.10.60/32" not in table for table in site.tables())

    six = dns_config["anycast"]["routes"].pop(1)
    site.configure(dns_config)
    site.run("apply", "--allow-shrink")
    dns_config["anycast"]["routes"].append(six)
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: held(site) == [{f"{VIP}/32"}] * 2, why="it is taken anew")


def test_a_local_route_that_ours_would_beat_is_not_harmless(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = begin(lab, dns_config, "bird")
    for family, route in (("-4", f"{VIP}/32"), ("-6", f"{SIX}/128")):
        table = ("table", "main", "metric", "5000")
        site.dns1.ip(family, "route", "add", "local", route, "dev", "lo", *table)
    withheld(site, why="blackhole = true")
