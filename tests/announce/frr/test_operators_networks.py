"""A network or a static of the operator for one of our prefixes costs only that prefix.

Judged by the peers' tables, and by FRR's running config, where the operator's line stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.configs import anycast_dns
from tests.support.operators import ACTIVE, await_sessions, frr_sessions, lay_out_operators
from tests.support.router_faults import frr_of
from tests.support.waiting import eventually
from tests.support.watched_site import lay_out, quick

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from tests.support.dns_site import DnsHost, Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(41)]

VIP: Final = "10.10.10.10/32"
SIX: Final = "fd00::10:10:10:10/128"
LP: Final = "route-map LP permit 10\n set local-preference 150\nexit\n"
LINES: Final = [f"network {VIP}", f"network {VIP} route-map LP"]
THEIRS: Final = "router bgp 64512\n bgp always-compare-med\nexit\n"


def in_family(line: str) -> str:
    """Return the commands that enter a line in the IPv4 family of the instance."""
    return f"configure terminal\nrouter bgp 64512\naddress-family ipv4 unicast\n{line}"


def has_line(host: DnsHost, line: str) -> bool:
    """Return whether the operator's line stands in FRR's running config."""
    shown = frr_of(host).vtysh("show running-config").splitlines()
    return line in (one.strip() for one in shown)


@pytest.mark.parametrize("line", LINES)
def test_apply_announces_the_others_and_names_the_line(
    lab: Lab, announced: Held, line: str
) -> None:
    site = lay_out_operators(
        lab, anycast_dns(), "frr", frr_sessions(ipv4=f"{line}\n  {ACTIVE}") + LP
    )
    await_sessions(site)
    shown = site.run("plan").out
    assert f"`{line}`" in shown
    assert "[AR047]" in shown
    wanted = announced | {VIP: (150 if "LP" in line else 100, "172.17.2.1")}
    for _ in range(2):
        done = site.run("apply", check=False)
        assert done.code == 4, done.out
        assert f"its own config has `{line}` already" in done.out
        assert "the other prefixes are not affected [AR047]" in done.out
        assert f"+ {VIP}" not in done.out
        eventually(lambda: site.tables() == [wanted] * 2, why="the others are there")
    assert has_line(site, line)
    frr_of(site).vtysh(in_family(f"no network {VIP}"))
    assert site.run("apply").code == 0
    eventually(lambda: site.tables() == [announced] * 2, why="all are ours")


@pytest.mark.parametrize("line", LINES)
def test_the_daemon_brings_the_others_back_and_the_prefix_when_the_line_is_gone(
    lab: Lab, announced: Held, line: str
) -> None:
    watched = lay_out(lab, "frr", quick(), own=THEIRS + LP)
    watched.start_daemon()
    watched.holds(announced)
    others = {prefix: route for prefix, route in announced.items() if prefix != VIP}
    frr_of(watched).vtysh(in_family(line))
    watched.holds(others)
    eventually(lambda: f"`{line}`" in watched.run("status", check=False).out, why="status says why")
    watched.no_update_for(8)

    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(others)
    watched.no_update_for(8)
    assert "[AR047]" in watched.run("status", check=False).out
    assert has_line(watched, line)

    mark = watched.mark()
    frr_of(watched).vtysh(in_family(f"no network {VIP}"))
    watched.holds(announced)
    assert {one.prefix for one in watched.events(mark)} == {VIP}
    eventually(lambda: "[AR047]" not in watched.run("status").out, why="it is over")


def test_a_static_of_the_operator_stays_and_serves_our_network(lab: Lab, announced: Held) -> None:
    config = quick()
    config["anycast"]["routes"][0]["blackhole"] = True
    line = f"ipv6 route {SIX} fd00:17:2::fd 250"
    watched = lay_out(lab, "frr", config, own=f"{line}\n{THEIRS}")
    watched.dns1.remove_address("lo", SIX)
    watched.start_daemon()
    watched.holds(announced)
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)
    assert has_line(watched, line)
    assert watched.dns1.run("ip", "-6", "route", "show", "type", "blackhole").out == ""
