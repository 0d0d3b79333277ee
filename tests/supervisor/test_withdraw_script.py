"""The script of anycast-routed-withdraw.service withdraws when anycast-routed cannot start."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab.bird import Bird
from tests.support.paths import ROOT
from tests.support.waiting import never
from tests.support.watched_site import BOTH_ROUTERS, RUN_DIR, Watched, each, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anycast_routed.lab import Lab
    from anycast_routed.system.commands import Completed
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(69), BOTH_ROUTERS]

SCRIPT = ROOT / "packaging/systemd/anycast-routed-withdraw.sh"
NO_DAEMON, UNSURE, OTHERS = 0, 1, 75
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


@pytest.mark.parametrize(
    ("data", "code"), [("", NO_DAEMON), (HOSTILE, UNSURE)], ids=["no-data", "hostile-data"]
)
def test_the_script_needs_no_data_and_takes_none_as_commands(
    without_daemon: Watched, data: str, code: int
) -> None:
    guard = without_daemon.file(f"{RUN_DIR}/guard")
    guard.write_text(data)
    assert script(without_daemon).code == code
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


def test_a_run_directory_with_a_space_is_an_owner_too(
    without_daemon: Watched, announced: Held
) -> None:
    guard = without_daemon.file(f"{RUN_DIR}/guard")
    guard.write_text(guard.read_text().replace(f"owner {RUN_DIR}\n", "owner /run/first%20one\n"))
    assert script(without_daemon).code == OTHERS
    without_daemon.holds(announced)
    guard.unlink()
    assert script(without_daemon, "/run/first one").code == OTHERS
    without_daemon.holds(announced)


def test_a_router_that_is_not_this_instances_is_left_alone(without_daemon: Watched) -> None:
    """A dead BIRD has left its socket beside FRR, or FRR belongs to another instance."""
    if not isinstance(without_daemon.router, Bird):
        left = without_daemon.file("/run/bird/bird.ctl")
        left.parent.mkdir(exist_ok=True)
        with socket_file(left):
            assert script(without_daemon).code == NO_DAEMON
            guard = without_daemon.file(f"{RUN_DIR}/guard")
            guard.write_text(guard.read_text().replace("router frr\n", ""))
            assert script(without_daemon).code == NO_DAEMON, "nothing listens on the socket"
    else:
        assert script(without_daemon).code == NO_DAEMON
    without_daemon.holds({})


def test_a_file_of_another_form_announces_nothing_after_a_reload(
    without_daemon: Watched,
) -> None:
    """An operator's template may write the brace on the next line."""
    if isinstance(without_daemon.router, Bird):
        file = without_daemon.router_file()
        file.write_text(file.read_text().replace("_v4 {\n", "_v4\n{\n"))
        reload(without_daemon)
    assert script(without_daemon).code == NO_DAEMON
    without_daemon.holds({})
    mark = without_daemon.mark()
    reload(without_daemon)
    never(lambda: any(kind == "announce" for kind, _ in without_daemon.updates(mark)), seconds=0.5)


@contextlib.contextmanager
def socket_file(path: Path) -> Iterator[None]:
    """Leave a socket on which nothing listens."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    try:
        yield
    finally:
        path.unlink()
