"""A death and a return reload nothing: what the operator did by hand stays as it is."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from anycast_routed.announce.bird import answers, configure
from anycast_routed.announce.bird.owned import Owned
from anycast_routed.announce.bird.protocols import blocks, held
from anycast_routed.announce.bird.socket import ControlSocket
from anycast_routed.lab.bird import CONTROL, Bird
from tests.support.dns_site import INCLUDE, RUN_DIR, Held, Site, lay_out
from tests.support.paths import ROOT
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab

pytestmark = [pytest.mark.integration, pytest.mark.fault(43)]

CONF: Final = "/etc/bird/bird.conf"
ONE, TWO = "10.10.10.10/32", "10.10.10.11/32"
# The operator's own session to GoBGP; anycast-routed has no part in it.
UPSTREAM = """
protocol static own { ipv4; route 198.51.100.0/24 blackhole; }
protocol bgp upstream { local 172.17.2.1 as 64512; neighbor 172.17.2.253 as 64512;
  connect delay time 0;
  ipv4 { import none; export where proto = "own"; }; }
"""
# What 0.1.0 wrote: one protocol for each service and family.
OLD = """\
# anycast-routed inputs=0123456789abcdef text=0123456789abcdef
# Written by anycast-routed, which puts it right at every run: change its config, not this file.
define anycast_routed_loaded = "0123456789abcdef";

ipv4 table anycast4;
ipv6 table anycast6;

protocol static anycast_dns_v4 {
  ipv4 { table anycast4; };
  route 10.10.10.10/32 blackhole { bgp_local_pref = 200; bgp_next_hop = 172.17.2.1; };
  route 10.10.10.11/32 blackhole { bgp_local_pref = 190; bgp_next_hop = 172.17.2.1; };
}

protocol static anycast_dns_v6 {
  ipv6 { table anycast6; };
  route fd00::10:10:10:10/128 blackhole { bgp_local_pref = 200; bgp_next_hop = fd00:17:2::1; };
}
"""


@pytest.fixture
def router_name() -> str:
    """Run BIRD only."""
    return "bird"


@pytest.fixture
def operators(lab: Lab, dns_config: dict[str, Any], announced: Held) -> Site:
    """Lay out a site whose operator has a session to GoBGP; ours goes to the edge."""
    site = lay_out(lab, "bird", own=UPSTREAM)
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: site.tables()[1] == announced)
    eventually(lambda: "198.51.100.0/24" in site.tables()[0])
    return site


def bird_of(site: Site) -> Bird:
    """Return dns1's BIRD."""
    assert isinstance(site.router, Bird)
    return site.router


def loaded_at(site: Site) -> str:
    """Return when BIRD last loaded its config."""
    found = re.search(r"Last reconfiguration on (.*)", bird_of(site).birdc("show status"))
    assert found
    return found[1]


def is_disabled(site: Site, name: str) -> bool:
    """Return whether a protocol of BIRD is down."""
    return " down " in bird_of(site).birdc(f"show protocols {name}").splitlines()[-1]


def die_and_return(site: Site, announced: Held) -> None:
    """Kill the server, and start it again; the edge follows."""
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: site.tables()[1] == {})
    site.server.restart()
    site.run("apply")
    eventually(lambda: site.tables()[1] == announced)


def test_a_death_and_a_return_load_no_config(operators: Site, announced: Held) -> None:
    """So they enable nothing, end no trial, and load nothing that the operator has only saved."""
    bird = bird_of(operators)
    bird.birdc("disable upstream")
    operators.dns1.write(CONF, operators.dns1.read(CONF) + "protocol static later { ipv4; }\n")
    before = loaded_at(operators)
    die_and_return(operators, announced)
    assert loaded_at(operators) == before
    assert is_disabled(operators, "upstream")
    assert "later" not in bird.birdc("show protocols")
    assert "nothing to change" in operators.run("plan").out


def test_a_death_ends_no_trial_of_the_operator(operators: Site, announced: Held) -> None:
    bird = bird_of(operators)
    bird.birdc("configure timeout 60")
    die_and_return(operators, announced)
    assert "undo in" in bird.birdc("configure status")
    operators.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    refused = operators.run("apply", check=False)
    assert refused.code != 0
    assert "configure timeout" in refused.err
    assert "undo in" in bird.birdc("configure status"), "the trial goes on"
    assert operators.tables()[1] == announced
    bird.birdc("configure confirm")
    operators.run("apply")
    eventually(lambda: "10.10.10.12/32" in operators.tables()[1])


def test_a_withdrawal_of_everything_during_a_trial_is_not_called_done(operators: Site) -> None:
    """BIRD undoes the trial by what it ran before: then all would be announced again."""
    bird_of(operators).birdc("configure timeout 60")
    done = operators.run("withdraw", check=False)
    assert done.code == 4
    assert "announce again" in done.err
    eventually(lambda: operators.tables()[1] == {})
    bird_of(operators).birdc("configure confirm")
    operators.run("withdraw")
    assert operators.tables()[1] == {}


def test_what_the_undo_of_a_trial_brings_back_is_withdrawn_at_once(
    operators: Site, announced: Held
) -> None:
    daemon = operators.daemon()
    eventually(lambda: operators.tables()[1] == announced)
    eventually(operators.status, why="the daemon has made a pass: it may have loaded its file")
    bird_of(operators).birdc("configure timeout 4")
    operators.server.daemon.kill()
    eventually(lambda: operators.tables()[1] == {})
    eventually(lambda: "drift repaired" in daemon.log(), why="the undo has announced them again")
    eventually(lambda: operators.tables()[1] == {})
    assert not held(operators.router_file().read_text())


def test_a_new_prefix_enables_nothing_that_the_operator_has_disabled(operators: Site) -> None:
    bird_of(operators).birdc("disable upstream")
    operators.dns1.address("lo", "10.10.10.12/32", label="lo:dns3")
    operators.run("apply")
    eventually(lambda: "10.10.10.12/32" in operators.tables()[1])
    assert is_disabled(operators, "upstream")
    assert "198.51.100.0/24" not in operators.tables()[0]


def test_a_reload_knows_what_the_operator_has_disabled_a_moment_ago(operators: Site) -> None:
    routes = "".join(f"route 10.{n >> 8}.{n & 255}.0/24 blackhole;\n" for n in range(60_000))
    operators.dns1.write("/etc/bird/bulk.conf", routes)
    more = 'protocol static bulk { ipv4 { table big; };\ninclude "bulk.conf";\n}\n'
    operators.dns1.write(CONF, f"{operators.dns1.read(CONF)}ipv4 table big;\n{more}")
    bird_of(operators).birdc("configure")
    path = operators.dns1.path(CONTROL)
    ours = Owned.by(operators.router_file().read_text())
    with ControlSocket(path, within=30) as his, ControlSocket(path, within=30) as bird:

        def seen_flushing() -> bool:
            his.must("enable bulk")
            his.must("disable bulk")
            return answers.states(bird.must("show protocols"))["bulk"] == "flush"

        eventually(seen_flushing, why="its routes are about to go")
        configure.load(bird, ours, within=30)
    eventually(lambda: is_disabled(operators, "bulk"))


def test_with_a_broken_bird_conf_one_prefix_goes_alone(operators: Site, announced: Held) -> None:
    operators.dns1.write(CONF, operators.dns1.read(CONF) + "this is no config\n")
    operators.dns1.run("ip", "address", "delete", TWO, "dev", "lo")
    operators.run("apply", check=False)
    rest = {prefix: route for prefix, route in announced.items() if prefix != TWO}
    eventually(lambda: operators.tables()[1] == rest)
    done = operators.run("drain", ONE, "--wait", check=False)
    assert "syntax error" in done.err, "only a load can lower it, so it is withdrawn at once"
    eventually(lambda: set(operators.tables()[1]) == set(announced) - {ONE, TWO})


def test_an_operators_reload_keeps_the_dead_withdrawn_and_the_living_announced(
    operators: Site, announced: Held
) -> None:
    operators.server.daemon.kill()
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == {})
    bird_of(operators).birdc("configure")
    bird_of(operators).restart()
    assert operators.run("status").out
    assert operators.tables()[1] == {}
    operators.server.restart()
    operators.run("apply")
    eventually(lambda: operators.tables()[1] == announced)
    mark = loaded_at(operators)
    bird_of(operators).birdc("configure")
    assert loaded_at(operators) != mark
    assert operators.tables()[1] == announced


def test_the_layout_of_the_release_before_stays_and_its_peers_hear_nothing(
    site: Site, announced: Held
) -> None:
    """The first run of this release sends no UPDATE, also not when it renders its own text."""
    site.run("apply")
    site.both_hold(announced)
    listener = site.recording_peer()
    eventually(lambda: set(listener.table()) == set(announced))
    text = site.router_file().read_text()
    peers = text[text.index("protocol bgp") :]
    site.dns1.write(f"{RUN_DIR}/bird.conf", f"{OLD}\n{peers}")
    bird_of(site).birdc("configure")
    eventually(lambda: "anycast_dns_v4" in bird_of(site).birdc("show protocols"))
    mark = listener.mark()
    site.run("apply")
    assert {one.name for one in blocks(site.router_file().read_text())} >= {"anycast_dns_v4"}
    assert not listener.without_end_of_rib(mark)
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: not listener.table())
    assert not held(site.router_file().read_text())
    site.server.restart()
    site.run("apply")
    eventually(lambda: set(listener.table()) == set(announced))


def test_the_include_line_alone_starts_a_bird_with_disabled_protocols(site: Site) -> None:
    site.server.daemon.kill()
    site.run("apply")
    assert INCLUDE in site.dns1.read(CONF)
    bird_of(site).restart()
    assert not site.document("status")["originated"]


DIRECT = """
protocol direct lo1 { interface "lo"; ipv4; }
protocol bgp edge { local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 0;
  ipv4 { import none; export where proto ~ "anycast_*"; next hop self; };
  ipv6 { import none; export where proto ~ "anycast_*"; next hop address fd00:17:2::1; }; }
"""


@pytest.mark.parametrize("before", ["nothing", "the layout of the release before"])
def test_protocol_direct_on_the_interface_of_the_labels_takes_no_prefix_away(
    lab: Lab, dns_config: dict[str, Any], announced: Held, before: str
) -> None:
    """`protocol direct` has the addresses too, with a preference above that of a static route."""
    site = lay_out(lab, "bird", own=DIRECT)
    del dns_config["bgp"]
    site.configure(dns_config)
    if before != "nothing":
        old = OLD.replace("table anycast4; };", "table master4; };")
        old = old.replace("table anycast6; };", "table master6; };")
        old = "".join(
            line for line in old.splitlines(keepends=True) if " table anycast" not in line
        )
        site.dns1.write(f"{RUN_DIR}/bird.conf", old)
        bird_of(site).birdc("configure")
        eventually(lambda: site.document("status")["sessions"][0]["established"])
        eventually(lambda: set(site.tables()[1]) == {"fd00::10:10:10:10/128"})
    site.run("apply", check=False)
    eventually(lambda: site.tables()[1] == announced)
    assert "nothing to change" in site.run("plan").out
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: site.tables()[1] == {})
    local = site.dns1.run("ip", "route", "get", "10.10.10.10").out
    assert local.startswith("local "), "the address is answered by this host"


def test_an_include_line_in_another_file_is_known(site: Site, announced: Held) -> None:
    site.dns1.write("/etc/bird/more.conf", INCLUDE)
    conf = site.dns1.read(CONF)
    site.dns1.write(CONF, conf.replace(INCLUDE, 'include "more.conf";\n'))
    site.run("apply")
    site.both_hold(announced)
    assert "[AR040]" not in site.run("status").out
    assert "nothing is missing" in site.run("setup").out


NAMESAKES = """
protocol static anycast_web_v4 { ipv4; route 198.51.100.0/24 blackhole; }
protocol direct anycast_srv { interface "lo"; ipv4; }
protocol bgp anycast_peer_1 { local 172.17.2.1 as 64512; neighbor 172.17.2.253 as 64512;
  connect delay time 0;
  ipv4 { import none; export where proto = "anycast_web_v4"; }; }
"""


def test_protocols_of_the_operator_with_names_like_ours_stay_alone(
    lab: Lab, dns_config: dict[str, Any], announced: Held
) -> None:
    site = lay_out(lab, "bird", own=NAMESAKES)
    del dns_config["bgp"]["peers"][1]
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: site.tables()[1] == announced)
    eventually(lambda: set(site.tables()[0]) == {"198.51.100.0/24"})
    before = loaded_at(site)
    assert "unchanged" in site.run("apply").out
    assert loaded_at(site) == before
    shown = site.document("status")
    assert [one["ours"] for one in shown["sessions"] if one["name"] == "anycast_peer_1"] == [False]
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: site.tables()[1] == {})
    site.run("withdraw")
    assert set(site.tables()[0]) == {"198.51.100.0/24"}, "what the operator announces is his"


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """Return a directory that is on a disk, which /tmp and a host's /etc need not be."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_an_include_file_that_survives_a_boot_is_an_error_and_setup_removes_it_at_boot(
    lab: Lab, dns_config: dict[str, Any], announced: Held, on_disk: Path
) -> None:
    file, rule = str(on_disk / "bird.conf"), "/etc/tmpfiles.d/anycast-routed.conf"
    site = lay_out(lab, "bird")
    dns_config["router"] = {"include-file": file}
    site.configure(dns_config)
    place = "mkdir -p /etc/tmpfiles.d && mount -n -t tmpfs lab /etc/tmpfiles.d"
    site.dns1.run("/bin/sh", "-c", place)
    assert "[AR048]" in site.run("plan").out
    shown = site.run("setup").out
    assert f"+r! {file}" in shown
    site.run("setup", "--write")
    assert f"r! {file}\n" in site.dns1.read(rule)
    bird_of(site).birdc("configure")
    site.run("apply")
    site.both_hold(announced)
    assert "[AR048]" not in site.run("status").out
    assert "nothing is missing" in site.run("setup").out
    assert f"- {rule}" in site.run("setup", "--remove").out
