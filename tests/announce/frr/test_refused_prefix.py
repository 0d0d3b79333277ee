"""A prefix that FRR cannot announce: all others are announced, and no session is reset.

fd00::10:10:10:10/128 is not on the host, and the BGP instance is the operator's too. So FRR needs a
static route for it, which the config accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import dns_site
from tests.support.configs import anycast_dns
from tests.support.router_faults import frr_of
from tests.support.waiting import eventually
from tests.support.watched_site import lay_out, quick

if TYPE_CHECKING:
    from anycast_routed.lab import Lab
    from tests.support.configs import Raw
    from tests.support.dns_site import DnsHost, Held, Site
    from tests.support.watched_site import Watched

pytestmark = [pytest.mark.integration, pytest.mark.fault(41)]

REFUSED = "fd00::10:10:10:10/128"
NO_STATICS = """\
configure terminal
route-map NO-STATICS deny 10
exit
ipv6 protocol static route-map NO-STATICS
"""


THEIRS = "router bgp 64512\n bgp always-compare-med\nexit\n"


def accepting(config: Raw) -> Raw:
    """Return the config with the consent to a blackhole route."""
    config["anycast"]["routes"][0]["blackhole"] = True
    return config


@pytest.fixture
def site(lab: Lab) -> Site:
    """Lay out the site, without the address."""
    made = dns_site.lay_out(lab, "frr", own=THEIRS)
    made.configure(accepting(anycast_dns()))
    made.dns1.remove_address("lo", REFUSED)
    return made


def watch(lab: Lab) -> Watched:
    """Lay out the host for the daemon, without the address."""
    watched = lay_out(lab, "frr", accepting(quick()), own=THEIRS)
    watched.dns1.remove_address("lo", REFUSED)
    return watched


@pytest.fixture
def others(announced: Held) -> Held:
    """Return what is announced without the prefix."""
    return {prefix: route for prefix, route in announced.items() if prefix != REFUSED}


def kill_statics(host: DnsHost) -> str:
    """Kill the daemon that holds the static routes, and return its name."""
    router = frr_of(host)
    router.kill(router.statics_holder)
    return router.statics_holder


def test_apply_announces_all_others_and_ends_with_4(
    site: Site, announced: Held, others: Held
) -> None:
    frr_of(site).vtysh(NO_STATICS)
    for _ in range(2):
        done = site.run("apply", check=False)
        assert done.code == 4
        assert f"! {REFUSED}: the router holds no such route: FRR uses no route" in done.out
        assert f"+ {REFUSED}" not in done.out
        site.both_hold(others)
    frr_of(site).vtysh("configure terminal\nno ipv6 protocol static route-map NO-STATICS")
    eventually(lambda: site.tables() == [announced, announced], why="the route comes by itself")
    assert site.run("apply").code == 0


def test_apply_says_why_frr_takes_no_static_route(site: Site, others: Held) -> None:
    holder = kill_statics(site)
    done = site.run("apply", check=False)
    assert done.code == 4
    assert f"FRR's {holder} is not running; the other prefixes are not affected [AR047]" in done.out
    site.both_hold(others)


def test_a_withdrawal_leaves_no_static_route_behind_after_a_restart_of_its_daemon(
    site: Site, announced: Held
) -> None:
    site.run("apply")
    site.both_hold(announced)
    frr_of(site).restart_daemon(frr_of(site).statics_holder)
    site.run("apply")
    site.both_hold(announced)
    site.run("withdraw")
    kernel = ("ip", "-6", "route", "show", "type", "blackhole")
    eventually(lambda: site.dns1.run(*kernel).out == "", why="no route is left in the kernel")


def test_the_daemon_leaves_the_others_alone_and_announces_the_prefix_as_soon_as_it_can(
    lab: Lab, announced: Held, others: Held
) -> None:
    watched = watch(lab)
    frr_of(watched).vtysh(NO_STATICS)
    watched.start_daemon()
    watched.holds(others)
    watched.no_update_for(8)
    assert [one.prefix for one in watched.history() if one.prefix == REFUSED] == []
    shown = watched.run("status", check=False).out
    assert f"! {REFUSED}: the router holds no such route: FRR uses no route" in shown

    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(others)
    frr_of(watched).vtysh("configure terminal\nno ipv6 protocol static route-map NO-STATICS")
    watched.holds(announced)
    eventually(
        lambda: any(one.prefix == REFUSED for one in watched.history()), why="the journal has it"
    )


def test_the_daemon_says_why_and_announces_the_prefix_when_the_static_routes_are_back(
    lab: Lab, announced: Held, others: Held
) -> None:
    watched = watch(lab)
    holder = kill_statics(watched)
    watched.start_daemon()
    watched.holds(others)
    eventually(lambda: "[AR047]" in watched.run("status", check=False).out, why="status says why")
    frr_of(watched).restart_daemon(holder)
    watched.holds(announced)
    eventually(lambda: "[AR047]" not in watched.run("status").out, why="it is over")
