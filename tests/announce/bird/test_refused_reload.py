"""While BIRD can load no config, a service still returns, and one prefix takes no other along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.lab.bird import CONF, Bird
from tests.support.dns_site import Held, Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(43)]

TWO = "10.10.10.11/32"
MANY: Final = 20


@pytest.fixture
def router_name() -> str:
    """Run BIRD only."""
    return "bird"


def birdc(site: Site, command: str) -> str:
    assert isinstance(site.router, Bird)
    return site.router.birdc(command)


def break_conf(site: Site) -> str:
    """Give bird.conf a syntax error, and return what it was."""
    conf = site.dns1.read(CONF)
    site.dns1.write(CONF, conf + "this is no config\n")
    return conf


def test_a_service_returns_although_a_label_has_gone_and_bird_conf_is_broken(
    site: Site, announced: Held
) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    conf = break_conf(site)
    site.dns1.remove_address("lo", TWO)
    rest = {prefix: route for prefix, route in announced.items() if prefix != TWO}
    site.both_hold(rest)
    site.server.daemon.kill()
    site.both_hold({})
    site.server.restart()
    site.both_hold(rest)
    site.dns1.write(CONF, conf)
    site.dns1.address("lo", TWO, label="lo:dns2")
    site.both_hold(announced)
    daemon.terminate()


def test_a_service_returns_while_a_new_label_waits_for_the_end_of_a_trial(
    site: Site, announced: Held
) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    birdc(site, "configure timeout 120")
    site.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    eventually(lambda: "configure timeout" in site.run("status").out, why="it waits")
    site.server.daemon.kill()
    site.both_hold({})
    site.server.restart()
    site.both_hold(announced)
    assert "undo in" in birdc(site, "configure status"), "the trial goes on"
    birdc(site, "configure confirm")
    eventually(lambda: all("10.10.10.12/32" in table for table in site.tables()))
    daemon.terminate()


@pytest.mark.parametrize("trouble", ["a broken bird.conf", "a trial"])
def test_one_of_many_prefixes_takes_no_other_along(
    lab: Lab, dns_config: dict[str, Any], trouble: str
) -> None:
    site = lay_out(lab, "bird")
    for key in ("interface", "prefix", "decrease"):
        del dns_config["anycast"][key]
    prefixes = [f"10.30.0.{n}/32" for n in range(1, MANY + 1)]
    dns_config["anycast"]["routes"] = [{"label": f"r{p[8:-3]}", "ip": p} for p in prefixes]
    dns_config["anycast"]["drain-time"] = "1s"
    site.configure(dns_config)
    for prefix in prefixes:
        site.dns1.address("lo", prefix)
    site.run("apply")
    eventually(lambda: [set(table) for table in site.tables()] == [set(prefixes)] * 2)
    if trouble == "a trial":
        birdc(site, "configure timeout 120")
        conf = ""
    else:
        conf = break_conf(site)
    done = site.run("drain", "10.30.0.7/32", "--wait", check=False)
    assert done.code != 0, done.out
    assert "10.30.0.7/32 stays announced" in done.err, done.err
    assert [set(table) for table in site.tables()] == [set(prefixes)] * 2

    if conf:
        site.dns1.write(CONF, conf)
    else:
        birdc(site, "configure confirm")
    eventually(
        lambda: site.run("apply").code == 0 and "10.30.0.7/32" not in site.tables()[0],
        why="the drain goes on",
    )
    eventually(lambda: "10.30.0.7/32" not in site.tables()[1])
    assert [set(table) for table in site.tables()] == [set(prefixes) - {"10.30.0.7/32"}] * 2

    break_conf(site)
    site.server.daemon.kill()
    site.run("apply", check=False)
    eventually(lambda: site.tables() == [{}, {}], why="a dead service goes as a whole")
