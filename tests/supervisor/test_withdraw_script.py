"""The script of anycast-routed-withdraw.service withdraws when anycast-routed cannot start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab.bird import Bird
from tests.support.paths import ROOT
from tests.support.watched_site import BOTH_ROUTERS, RUN_DIR, Watched, each, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from anycast_routed.system.commands import Completed
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(69), BOTH_ROUTERS]

SCRIPT = ROOT / "packaging/systemd/anycast-routed-withdraw.sh"
NO_DAEMON, OTHERS = 0, 75
OPERATORS = "198.51.100.0/24"
OWN = {
    # The names are those of our form, and the description is not ours.
    "bird": f"""\
protocol static anycast_web_v4 {{
  description "not anycast-routed";
  ipv4;
  route {OPERATORS} blackhole;
}}
""",
    "frr": f"""\
ip route {OPERATORS} blackhole
router bgp 64512
 address-family ipv4 unicast
  network {OPERATORS}
 exit-address-family
""",
}
HOSTILE = """\
control-socket $(touch /run/hostile)
vtysh /bin/sh;touch /run/hostile
include-file `touch /run/hostile`
owner /run/other /run/anycast-routed
protocol anycast_web_v4 }; touch /run/hostile
disable all
"""


@pytest.fixture(scope="module")
def laid_out(lab: Lab, router_name: str) -> Watched:
    """Lay out the host with prefixes of the operator's own."""
    return lay_out(lab, router_name, quick(), own=OWN[router_name])


@pytest.fixture
def without_daemon(watched: Watched) -> Iterator[Watched]:
    """Kill the daemon, which leaves everything announced; start it again afterwards."""
    watched.process().kill()
    yield watched
    watched.start_daemon()


def script(watched: Watched, run_dir: str = RUN_DIR) -> Completed:
    """Run the script as its unit does."""
    return watched.dns1.run("/bin/sh", str(SCRIPT), run_dir, check=False)


def operators_stay(watched: Watched) -> None:
    """Assert that the router still runs what the operator has beside ours."""
    if isinstance(watched.router, Bird):
        assert " up " in watched.router.birdc("show", "protocols", "anycast_web_v4")
    else:
        running = watched.dns1.run("vtysh", "-c", "show running-config").out
        assert f"\n  network {OPERATORS}\n" in running
        assert f"\nip route {OPERATORS} blackhole\n" in running


def reload(watched: Watched) -> None:
    """Make the router read its config again, if it reads our file."""
    if isinstance(watched.router, Bird):
        watched.router.birdc("configure")


def test_the_script_withdraws_ours_and_nothing_else(
    without_daemon: Watched, announced: Held
) -> None:
    mark = without_daemon.mark()
    done = script(without_daemon)
    assert (done.code, done.err) == (NO_DAEMON, "")
    without_daemon.holds({})
    reload(without_daemon)
    without_daemon.no_update_for(0.5)
    assert without_daemon.updates(mark) == each("withdraw", announced)
    assert script(without_daemon).code == NO_DAEMON, "a second run finds nothing to do"
    operators_stay(without_daemon)


@pytest.mark.parametrize("data", ["", HOSTILE], ids=["no-data", "hostile-data"])
def test_the_script_needs_no_data_and_takes_none_as_commands(
    without_daemon: Watched, data: str
) -> None:
    guard = without_daemon.file(f"{RUN_DIR}/guard")
    guard.write_text(data)
    assert script(without_daemon).code == NO_DAEMON
    without_daemon.holds({})
    assert not without_daemon.file("/run/hostile").exists()
    operators_stay(without_daemon)


def test_the_script_leaves_the_router_to_another_instance(
    without_daemon: Watched, announced: Held
) -> None:
    done = script(without_daemon, "/run/another")
    assert done.code == OTHERS
    assert RUN_DIR in done.err
    without_daemon.no_update_for(0.5)
    without_daemon.holds(announced)
