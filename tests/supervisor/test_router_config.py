"""The router's config is broken, edited, emptied or reloaded all the time."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, bird
from tests.support.dns_site import INCLUDE
from tests.support.paths import SHIPPED_TEMPLATES
from tests.support.router_faults import (
    TEMPLATES,
    bird_of,
    changes,
    frr_of,
    no_problem,
    problem,
    times_reported,
    unchanged,
)
from tests.support.waiting import eventually
from tests.support.watched_site import PEER, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"], scope="module")
ONLY_FRR = pytest.mark.parametrize("router_name", ["frr"], scope="module")
BROKEN = "this is not BIRD's language\n"
# The router itself as its neighbor: only bgpd refuses this.
IMPOSSIBLE = " neighbor 172.17.2.1 remote-as 64512\n"
OPERATORS = """
protocol bgp uplink {
  local 172.17.2.1 as 64512;
  neighbor 172.17.2.253 as 64512;
  connect delay time 0;
  ipv4 { import none; export where proto ~ "anycast_*" && net != 10.10.10.11/32; };
  ipv6 { import none; export where proto ~ "anycast_*"; };
}
"""


@pytest.fixture(scope="module", params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD and on FRR."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def running(lab: Lab, router_name: str) -> Watched:
    """Start the daemon, with the shipped templates copied to the operator's directory."""
    config = quick()
    config["router"] = {"template-dir": TEMPLATES}
    made = lay_out(lab, router_name, config)
    for name in ("bird.conf.j2", "frr.conf.j2"):
        made.dns1.write(f"{TEMPLATES}/{name}", (SHIPPED_TEMPLATES / name).read_text())
    made.start_daemon()
    return made


@pytest.fixture
def watched(running: Watched, announced: Held) -> Iterator[Watched]:
    """Wait until everything is announced, and end all faults afterwards."""
    running.holds(announced)
    yield running
    replace_template(running, (SHIPPED_TEMPLATES / f"{running.router_name}.conf.j2").read_text())
    running.end_faults()
    no_problem(running)


@pytest.fixture
def bird_conf(watched: Watched) -> Iterator[str]:
    """Return bird.conf, and restore it after the test."""
    conf = watched.dns1.read(bird.CONF)
    yield conf
    bird_of(watched).configure(conf)


def replace_template(watched: Watched, text: str) -> None:
    """Replace the operator's template."""
    file = watched.dns1.write(f"{TEMPLATES}/new", text)
    file.replace(file.with_name(f"{watched.router_name}.conf.j2"))


@pytest.mark.fault(23)
@ONLY_BIRD
def test_a_dead_service_is_withdrawn_while_birds_config_is_broken_and_after_its_repair(
    watched: Watched, announced: Held, bird_conf: str
) -> None:
    watched.dns1.write(bird.CONF, bird_conf + BROKEN)
    mark = watched.mark()
    watched.server.daemon.kill()
    watched.holds({})
    no_problem(watched)  # a withdrawal reads no config
    watched.dns1.write(bird.CONF, bird_conf)
    bird_of(watched).birdc("configure")
    no_problem(watched)
    assert sorted(changes(watched, mark)) == [("withdraw", one) for one in sorted(announced)]
    watched.server.restart()
    watched.holds(announced)


@pytest.mark.fault(24)
@pytest.mark.parametrize("wrong", ["refused by the router", "no template"])
def test_a_wrong_template_changes_nothing_and_is_reported_once(
    watched: Watched, announced: Held, wrong: str
) -> None:
    file = watched.router_file()
    before, mark, reported = file.read_bytes(), watched.mark(), times_reported(watched, "router")
    good = (SHIPPED_TEMPLATES / file.with_suffix(".conf.j2").name).read_text()
    replace_template(watched, good + BROKEN if wrong == "refused by the router" else "{% broken")
    eventually(lambda: watched.status().problems.get("router"), why="the problem is reported")
    unchanged(watched, 1.0)
    assert changes(watched, mark) == []
    assert file.read_bytes() == before
    assert times_reported(watched, "router") == reported + 1
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    replace_template(watched, good)
    watched.holds(announced)
    no_problem(watched)


@pytest.mark.fault(25)
@ONLY_FRR
def test_a_config_that_frr_refuses_in_part_is_undone(watched: Watched, announced: Held) -> None:
    good = (SHIPPED_TEMPLATES / "frr.conf.j2").read_text()
    header = "router bgp {{ local_as }}\n"
    bad = good.replace(header, header + IMPOSSIBLE)
    bad = bad.replace(
        "  neighbor {{ peer.address }} activate\n",
        "  neighbor {{ peer.address }} activate\n"
        "  neighbor 172.17.2.1 route-map {{ map_in }} in\n"
        "  neighbor 172.17.2.1 route-map {{ map_out }} out\n",
    )
    mark = watched.mark()
    replace_template(watched, bad)
    problem(watched, "router", "FRR refused")
    unchanged(watched, 0.5)
    assert changes(watched, mark) == []
    assert "neighbor 172.17.2.1 " not in frr_of(watched).vtysh("show running-config")
    watched.server.daemon.kill()
    watched.holds({})
    replace_template(watched, good)
    watched.server.restart()
    watched.holds(announced)


@pytest.mark.fault(25)
@ONLY_FRR
def test_a_restarted_bgpd_gets_its_config_again(watched: Watched, announced: Held) -> None:
    frr_of(watched).kill("bgpd")
    problem(watched, "router", "bgpd is not running")
    frr_of(watched).restart_daemon("bgpd")
    watched.holds(announced)
    no_problem(watched)


@pytest.mark.fault(27)
@pytest.mark.parametrize("harm", ["edited", "emptied", "deleted", "a FIFO", "a directory"])
@ONLY_BIRD
def test_a_damaged_router_file_is_repaired(watched: Watched, announced: Held, harm: str) -> None:
    file, mark = watched.router_file(), watched.mark()
    good = file.read_text()
    match harm:
        case "edited":
            file.write_text(good.replace("10.10.10.10/32", "10.10.10.99/32"))
        case "emptied":
            file.write_text("")
        case _:
            file.unlink()
    if harm == "a FIFO":
        os.mkfifo(file)
    elif harm == "a directory":
        file.mkdir()
        problem(watched, "router", "cannot write")
        file.rmdir()
    else:
        bird_of(watched).birdc("configure")
    eventually(
        lambda: file.is_file() and file.read_text() == good,
        why="the file is repaired",
    )
    watched.holds(announced)
    if harm == "a FIFO":
        assert changes(watched, mark) == []


@pytest.mark.fault(27)
@ONLY_FRR
def test_a_network_that_an_operator_removed_comes_back(watched: Watched, announced: Held) -> None:
    mark, network = watched.mark(), "10.10.10.10/32"
    command = f"no network {network}"
    frr_of(watched).configure("router bgp 64512", "address-family ipv4 unicast", command)
    eventually(
        lambda: ("withdraw", network) in changes(watched, mark), why="FRR withdraws the network"
    )
    watched.holds(announced)
    eventually(lambda: "drift repaired" in watched.process().log(), why="the drift is reported")


@pytest.mark.fault(27)
@ONLY_BIRD
def test_a_missing_include_line_is_reported(
    watched: Watched, announced: Held, bird_conf: str
) -> None:
    bird_of(watched).configure(bird_conf.replace(INCLUDE, ""))
    problem(watched, "router", "does not include")
    bird_of(watched).configure(bird_conf)
    watched.holds(announced)


@pytest.mark.fault(27)
@ONLY_BIRD
def test_other_files_in_the_run_directory_do_no_harm(watched: Watched, announced: Held) -> None:
    directory, mark = watched.dns1.path("/run/anycast-routed"), watched.mark()
    (directory / "stray.conf").write_text(BROKEN)
    shutil.copy(watched.router_file(), directory / "bird.bak.conf")
    for name in ("pipe.conf", "state.json", "status.json", "forgive"):
        (directory / name).unlink(missing_ok=True)
        os.mkfifo(directory / name)
    assert "Reconfigured" in bird_of(watched).birdc("configure")
    unchanged(watched, 0.5)
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)
    eventually(watched.status, why="the status file is readable again")
    assert [kind for kind, _ in changes(watched, mark)] == ["withdraw"] * 3 + ["announce"] * 3
    for name in ("pipe.conf", "stray.conf", "bird.bak.conf", "forgive"):
        (directory / name).unlink()


@pytest.mark.fault(28)
def test_no_change_is_lost_while_an_operator_reconfigures_all_the_time(
    watched: Watched, announced: Held
) -> None:
    if watched.router_name == "bird":
        loop = "while :; do birdc configure; done"
    else:
        text = "neighbor 172.17.2.253 description"
        commands = f"-c 'conf t' -c 'router bgp 64512' -c '{text} a' -c '{text} b'"
        loop = f"while :; do vtysh -d bgpd {commands}; done"
    busy = watched.dns1.start("sh", "-c", f"{loop} >/dev/null", name="busy")
    try:
        for _ in range(2):
            watched.server.daemon.kill()
            watched.holds({})
            watched.server.restart()
            watched.holds(announced)
    finally:
        busy.kill(whole=True)
    watched.holds(announced)
    no_problem(watched)
    watched.status_agrees()


@pytest.mark.fault(26)
@ONLY_BIRD
def test_an_export_that_a_filter_refuses_is_reported_with_the_peer(
    watched: Watched, announced: Held, bird_conf: str
) -> None:
    before = watched.dns1.read("/etc/anycast-routed/config.json")
    config = json.loads(before)
    del config["bgp"]
    watched.reconfigure(config)
    eventually(lambda: not watched.peer.sessions(), why="the session is down")
    bird_of(watched).configure(bird_conf + OPERATORS)
    heard = {prefix for prefix in announced if prefix != "10.10.10.11/32"}
    eventually(lambda: watched.peer.table().keys() == heard, why="all but one")
    eventually(
        lambda: any(
            "10.10.10.11/32" in one and PEER in one and "not exported" in one
            for one in map(str, watched.status().findings)
        ),
        why="the refused prefix is reported",
    )
    bird_of(watched).configure(bird_conf)
    watched.replace_config(before)
    watched.holds(announced)
