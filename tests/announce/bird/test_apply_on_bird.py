"""`apply` on BIRD next to an operator's own config, also if one of the two is broken.

The module is long because all tests share one site.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.announce.bird.protocols import held
from anycast_routed.lab import Lab, bird
from anycast_routed.lab.bird import Bird
from tests.support.dns_site import INCLUDE, Held, Site, lay_out
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

OWN = """
define MY_NET = 198.51.100.0/24;
filter my_filter { if net ~ MY_NET then accept; reject; }
protocol static mine { ipv4; route 198.51.100.0/24 blackhole; }
protocol bgp upstream { local as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0;
  ipv4 { import none; export filter my_filter; }; }
"""
# The operator owns the sessions; each channel has the line from docs/config.md.
OPERATORS = """
protocol bgp edge { local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0;
  ipv4 { import none; export where proto ~ "anycast_*"; next hop self; };
  ipv6 { import none; export where proto ~ "anycast_*"; next hop address fd00:17:2::1; }; }
protocol bgp gobgpd { local 172.17.2.1 as 64512; neighbor 172.17.2.253 as 64512;
  connect delay time 0;
  ipv4 { import none; export where proto ~ "anycast_*"; };
  ipv6 { import none; export where proto ~ "anycast_*"; }; }
"""
CONF = "/etc/bird/bird.conf"


@pytest.fixture
def router_name() -> str:
    """Run BIRD only."""
    return "bird"


@pytest.fixture
def file(site: Site) -> Path:
    """Return the path of our file, as seen from outside the host."""
    return site.dns1.path("/run/anycast-routed/bird.conf")


def bird_of(site: Site) -> Bird:
    """Return dns1's BIRD."""
    assert isinstance(site.router, Bird)
    return site.router


def applied(site: Site, announced: Held) -> None:
    """Apply, and wait for the peers."""
    site.run("apply")
    site.both_hold(announced)


def test_the_operators_own_config_stays_as_it_is(
    lab: Lab, announced: Held, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "bird", own=OWN)
    dns_config["bgp"]["peers"] = dns_config["bgp"]["peers"][1:]
    site.configure(dns_config)
    own = ("show protocols mine", "show route protocol mine all", "show symbols")
    before = site.dns1.read(CONF)
    eventually(lambda: "198.51.100.0/24" in site.edge.rib("ipv4"), why="his own route")
    shown = [bird_of(site).birdc(command) for command in own[:2]]
    site.run("apply")
    eventually(lambda: site.tables()[0] == announced, why="ours are at gobgpd")
    assert site.dns1.read(CONF) == before
    assert [bird_of(site).birdc(command) for command in own[:2]] == shown
    assert site.edge.rib("ipv4").keys() == {"198.51.100.0/24"}
    assert "10.10.10.10" not in site.dns1.run("ip", "route", "show", "table", "main").out


def test_a_neighbor_of_the_operators_is_refused_by_name(lab: Lab) -> None:
    site = lay_out(lab, "bird", own=OWN)
    done = site.run("apply", check=False)
    assert done.code == 78
    assert "bgp.peers[0].ip" in done.err
    assert "172.17.2.254 already, as upstream" in done.err
    assert not site.dns1.path("/run/anycast-routed/bird.conf").exists()


def test_the_operators_own_sessions_export_what_we_provide(
    lab: Lab, announced: Held, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "bird", own=OPERATORS)
    del dns_config["bgp"]
    site.configure(dns_config)
    applied(site, announced)
    bird_of(site).restart()
    bird_of(site).birdc("configure")
    site.server.daemon.kill()
    site.run("apply")
    site.both_hold({})
    site.dns1.path("/run/anycast-routed/bird.conf").unlink()
    bird_of(site).birdc("configure")


@pytest.mark.fault(26)
def test_an_export_that_nobody_gets_is_reported_with_the_peer(
    lab: Lab, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "bird", own=OPERATORS.replace('where proto ~ "anycast_*"', "none"))
    del dns_config["bgp"]
    site.configure(dns_config)
    eventually(
        lambda: all(s.state == "established" for s in site.gobgp.sessions().values()),
        why="his sessions are up",
    )
    done = site.run("apply", check=False)
    assert done.code == 4
    assert "! 10.10.10.10/32 to 172.17.2.253: not exported" in done.out


@pytest.mark.fault(23)
def test_withdrawn_although_the_operators_config_is_broken(
    site: Site, announced: Held, file: Path
) -> None:
    applied(site, announced)
    good = site.dns1.read(CONF)
    site.dns1.write(CONF, good + "this is not BIRD's language\n")
    site.server.daemon.kill()
    site.run("apply")
    site.both_hold({})
    assert not held(file.read_text())
    site.dns1.write(CONF, good)
    bird_of(site).birdc("configure")
    assert site.run("apply").code == 0
    assert site.tables() == [{}, {}]
    site.server.restart()
    applied(site, announced)


@pytest.mark.fault(24)
def test_a_text_that_bird_refuses_changes_nothing(
    site: Site, announced: Held, file: Path, dns_config: dict[str, Any]
) -> None:
    applied(site, announced)
    before = file.read_bytes()
    site.dns1.run("mkdir", "-p", "/etc/anycast-routed/templates")
    source = site.run("render", "--assume", "up").out.partition("\n")[2]
    site.dns1.write(
        "/etc/anycast-routed/templates/bird.conf.j2", source.replace("local as", "local has")
    )
    dns_config["router"] = {"template-dir": "/etc/anycast-routed/templates"}
    site.configure(dns_config)
    done = site.run("apply", check=False)
    assert done.code == 4
    line = 1 + source[: source.index("local as")].count("\n") + 1
    assert f"/run/anycast-routed/bird.conf:{line}:" in done.err
    assert file.read_bytes() == before
    assert "local has" in site.dns1.read("/run/anycast-routed/bird.conf.rejected")
    assert site.tables() == [announced, announced]
    again = site.run("apply", check=False)
    assert again.err == done.err, "BIRD 3 writes the time and a thread, which must not show"


def test_a_name_that_the_operators_config_uses_too_changes_nothing(lab: Lab) -> None:
    site = lay_out(lab, "bird", own="protocol static anycast__10_10_10_10_v4 { ipv4; }\n")
    done = site.run("apply", check=False)
    assert done.code == 4
    assert "already defined" in done.err
    assert not site.dns1.path("/run/anycast-routed/bird.conf").exists()
    assert site.tables() == [{}, {}]


@pytest.mark.fault(27)
def test_a_missing_include_line_is_named_with_the_fix(site: Site) -> None:
    site.dns1.write(CONF, bird.STOCK)
    bird_of(site).birdc("configure")
    done = site.run("apply", check=False)
    assert done.code == 4
    assert "does not include /run/anycast-routed/bird.conf" in done.err
    assert "setup" in done.err
    shown = site.run("setup")
    assert f"+{INCLUDE.strip()}" in shown.out
    assert site.dns1.read(CONF) == bird.STOCK
    site.run("setup", "--write")
    assert INCLUDE in site.dns1.read(CONF)
    assert site.dns1.read(f"{CONF}.before-anycast-routed") == bird.STOCK
    assert site.run("apply").code == 0
    assert "nothing is missing" in site.run("setup").out


@pytest.mark.fault(27)
@pytest.mark.parametrize("edit", ["empty", "delete", "route", "reload"])
def test_edits_by_hand_are_put_right(site: Site, announced: Held, file: Path, edit: str) -> None:
    applied(site, announced)
    good = file.read_text()
    match edit:
        case "empty":
            file.write_text("")
        case "delete":
            file.unlink()
        case _:
            file.write_text(good.replace("= 190;", "= 7;"))
    if edit == "reload":
        bird_of(site).birdc("configure")
    site.run("apply")
    site.both_hold(announced)
    assert file.read_text() == good


@pytest.mark.fault(20)
def test_a_bird_that_is_down_does_not_come_back_with_an_old_verdict(
    site: Site, announced: Held
) -> None:
    applied(site, announced)
    bird_of(site).daemon.kill()
    site.server.daemon.kill()
    done = site.run("--router", "bird", "apply", check=False)
    assert done.code == 69
    assert "systemctl status bird" in done.err
    bird_of(site).restart()
    site.both_hold({})
    site.server.restart()
    applied(site, announced)


@pytest.mark.fault(22)
def test_a_stopped_bird_costs_a_bounded_time(site: Site, announced: Held) -> None:
    applied(site, announced)
    bird_of(site).daemon.pause()
    done = site.run("apply", check=False, within=20)
    assert done.code == 69
    assert "did not answer" in done.err
    bird_of(site).daemon.resume()
    applied(site, announced)


@pytest.mark.fault(24)
@pytest.mark.parametrize("template", ["{{ nonsense }}", "{{ 1 / 0 }}", "{% if %}"])
def test_a_broken_template_does_not_stand_before_a_withdrawal(
    site: Site, announced: Held, dns_config: dict[str, Any], template: str
) -> None:
    applied(site, announced)
    site.dns1.write("/etc/anycast-routed/templates/bird.conf.j2", template)
    dns_config["router"] = {"template-dir": "/etc/anycast-routed/templates"}
    site.configure(dns_config)
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 78
    assert "bird.conf.j2" in done.err
    site.both_hold({})


def test_a_neighbor_that_became_the_operators_does_not_prevent_a_withdrawal(
    site: Site, announced: Held
) -> None:
    applied(site, announced)
    own = """protocol bgp mine { local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
      ipv4 { import none; export none; }; }\n"""
    site.dns1.write(CONF, bird.STOCK + INCLUDE + own)
    bird_of(site).birdc("configure")
    site.server.daemon.kill()
    done = site.run("apply", check=False)
    assert done.code == 78
    assert "as mine" in done.err
    site.both_hold({})


def test_an_operators_protocol_with_a_similar_name_is_not_ours(lab: Lab, announced: Held) -> None:
    web = "protocol static anycast_web { ipv4; route 192.0.2.0/24 blackhole; }\n"
    site = lay_out(lab, "bird", own=web)
    done = site.run("apply")
    assert "192.0.2.0" not in done.out
    site.both_hold(announced)
    site.run("withdraw")
    site.both_hold({})
    assert "192.0.2.0/24" in bird_of(site).birdc("show route protocol anycast_web")


def test_an_operators_session_to_another_neighbor_is_no_fault(
    lab: Lab, announced: Held, dns_config: dict[str, Any]
) -> None:
    site = lay_out(lab, "bird", own=OWN)
    dns_config["bgp"]["peers"] = dns_config["bgp"]["peers"][1:]
    site.configure(dns_config)
    eventually(lambda: "198.51.100.0/24" in site.edge.rib("ipv4"), why="his session")
    site.run("apply")
    eventually(lambda: site.tables()[0] == announced, why="ours are at gobgpd")
    assert site.document("apply")["faults"] == []
    assert (site.run("apply", "-q").out, site.run("explain", "10.10.10.10/32").out[-10:]) == (
        "",
        "announced\n",
    )


def test_setup_keeps_owner_mode_link_and_relative_includes(site: Site) -> None:
    site.dns1.write("/etc/bird/peers.conf", "# mine\n")
    site.dns1.write("/etc/bird/real.conf", bird.STOCK + 'include "peers.conf";\n', mode=0o640)
    site.dns1.run("chown", "bird:bird", "/etc/bird/real.conf", check=False)
    before = site.dns1.run("stat", "-c", "%u %g %a", "/etc/bird/real.conf").out
    site.dns1.run("ln", "-sf", "real.conf", CONF)
    site.run("setup", "--write")
    assert site.dns1.run("readlink", CONF).out.strip() == "real.conf"
    assert INCLUDE in site.dns1.read("/etc/bird/real.conf")
    assert site.dns1.run("stat", "-c", "%u %g %a", "/etc/bird/real.conf").out == before
    assert "candidate" not in site.dns1.run("ls", "/etc/bird").out


@pytest.mark.fault(28)
def test_a_busy_operator_costs_no_healthy_route(site: Site, announced: Held) -> None:
    applied(site, announced)
    loop = "for i in $(seq 300); do birdc configure >/dev/null; done"
    busy = site.dns1.start("sh", "-c", loop, name="busy")
    for _ in range(5):
        assert site.run("apply").code == 0
        assert site.tables() == [announced, announced]
    busy.kill()


@pytest.mark.fault(22)
def test_a_user_outside_group_bird_gets_77_and_the_group(site: Site) -> None:
    site.dns1.run("chown", "12345:12345", "/run/bird/bird.ctl")
    site.dns1.run("chmod", "660", "/run/bird/bird.ctl")
    # Root without CAP_DAC_OVERRIDE cannot use the socket, but can read our Python.
    powerless = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
    ours = (sys.executable, "-m", "anycast_routed", "apply")
    done = site.dns1.run(*powerless, *ours, check=False, within=60)
    assert done.code == 77
    assert "may not use BIRD's control socket" in done.err
    assert " bird, and log in again; a daemon must be restarted" in done.err


@pytest.mark.fault(33)
def test_a_full_disk_keeps_the_old_file_and_still_withdraws(
    site: Site, announced: Held, file: Path
) -> None:
    site.dns1.run("mkdir", "-p", "/run/anycast-routed")
    site.dns1.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", "/run/anycast-routed")
    applied(site, announced)
    before = file.read_bytes()
    site.dns1.run("sh", "-c", "cat /dev/zero > /run/anycast-routed/filler", check=False)
    site.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    done = site.run("apply", check=False)
    assert done.code == 73
    assert "cannot write" in done.err
    assert file.read_bytes() == before
    assert site.tables() == [announced, announced]
    site.server.daemon.kill()
    assert site.run("apply", check=False).code == 73
    site.both_hold({})
