"""The router is missing, dies, restarts or does not answer; the daemon recovers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from tests.support.router_faults import (
    announced_since,
    bird_of,
    changes,
    crash,
    frr_of,
    network_count,
    networks_in,
    no_problem,
    nothing_piles_up,
    problem,
    revive,
    times_reported,
    unchanged,
    wait_for_new_session,
)
from tests.support.waiting import eventually
from tests.support.watched_site import RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"])
ONLY_FRR = pytest.mark.parametrize("router_name", ["frr"])
# It greets as BIRD does, and stops in the middle of its first answer: it closes or hangs.
HALF = """
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind("/run/half.ctl")
listening.listen(64)
kept = []
while True:
    one, _ = listening.accept()
    one.sendall(b"0001 BIRD 2.0.12 ready.\\n")
    one.recv(4096)
    one.sendall(b"1002-half of an ans")
    if sys.argv[1] == "hang":
        kept.append(one)
    else:
        one.close()
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Lay out an empty lab for each test: these faults outlast a test."""
    with Lab() as made:
        yield made


@pytest.fixture(params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD and on FRR."""
    name: str = request.param
    return name


@pytest.fixture
def resting(lab: Lab, router_name: str) -> Watched:
    """Lay out the host and its peer; the daemon does not run yet."""
    return lay_out(lab, router_name, quick())


@pytest.fixture
def watched(resting: Watched, announced: Held) -> Watched:
    """Wait until everything is announced."""
    resting.start_daemon()
    resting.holds(announced)
    return resting


@pytest.mark.fault(20)
def test_the_daemon_waits_for_a_router_that_starts_later(resting: Watched, announced: Held) -> None:
    for daemon in resting.dns1.daemons:
        if daemon is not resting.server.daemon:
            daemon.kill()
    resting.dns1.run("sh", "-c", "rm -f /run/bird/bird.ctl /run/frr/*.vty")
    resting.start_daemon()
    problem(resting, "router", "no router runs here")
    unchanged(resting, 1.5)  # The daemon tries again after 0.2 s, 0.4 s, 0.8 s ...
    assert times_reported(resting, "router") == 1, "the same problem is reported once"
    revive(resting, whole=True)
    resting.holds(announced)
    no_problem(resting)


@pytest.mark.fault(20)
def test_a_restarted_router_announces_healthy_services_and_no_dead_ones(
    watched: Watched, announced: Held
) -> None:
    crash(watched)
    problem(watched, "router", "")
    revive(watched)
    watched.holds(announced)
    no_problem(watched)
    crash(watched)
    watched.server.daemon.kill()
    dead = "the file of a stopped router has no dead service"
    if watched.router_name == "bird":
        eventually(lambda: not networks_in(watched.router_file().read_text()), why=dead)
    mark = watched.mark()
    revive(watched, whole=True)
    if watched.router_name == "bird":
        wait_for_new_session(watched, mark)
    unchanged(watched, 0.5)
    watched.server.restart()
    watched.holds(announced)
    assert all(kind == "announce" for kind, _ in changes(watched, mark))
    watched.status_agrees()


@pytest.mark.fault(20, 27)
@ONLY_BIRD
def test_a_damaged_file_does_not_keep_bird_from_starting(watched: Watched, announced: Held) -> None:
    crash(watched)
    watched.server.daemon.kill()
    file = watched.router_file()
    eventually(lambda: not networks_in(file.read_text()), why="the file has no dead service")
    text = file.read_text()
    assert text.endswith("}\n")
    file.write_text(text.removesuffix("}\n"))
    eventually(lambda: file.read_text() == "", why="the file that BIRD cannot read is emptied")
    revive(watched)
    eventually(watched.peer.sessions, why="a new session")
    watched.server.restart()
    watched.holds(announced)
    no_problem(watched)


@pytest.mark.fault(20)
@ONLY_FRR
def test_all_of_frr_restarts_while_dns_is_healthy(watched: Watched, announced: Held) -> None:
    crash(watched)
    revive(watched, whole=True)
    watched.holds(announced)


@pytest.mark.fault(21)
def test_after_a_boot_nothing_is_announced_before_the_first_healthy_verdict(
    watched: Watched, announced: Held
) -> None:
    if watched.router_name == "frr":
        frr_of(watched).write_memory()
    watched.process().kill()
    watched.server.daemon.kill()
    crash(watched)
    watched.dns1.run("find", RUN_DIR, "-mindepth", "1", "-delete")
    revive(watched, whole=True)
    if watched.router_name == "frr":
        saved = len(announced)
        eventually(
            lambda: network_count(frr_of(watched)) == saved, why="FRR announces what was saved"
        )
    watched.start_daemon()
    if watched.router_name == "frr":
        eventually(lambda: network_count(frr_of(watched)) == 0, why="the first pass withdraws them")
    eventually(watched.peer.sessions, why="the session is back")
    mark = watched.mark()
    unchanged(watched, 0.5)
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)
    assert announced_since(watched, mark) == set(announced)


@pytest.mark.fault(21)
@ONLY_FRR
def test_frr_restarts_with_our_saved_lines_while_dns_is_dead(
    watched: Watched, announced: Held
) -> None:
    frr_of(watched).write_memory()
    crash(watched)
    watched.server.daemon.kill()
    revive(watched)
    eventually(lambda: network_count(frr_of(watched)) == 0, why="they are withdrawn")
    mark = watched.mark()
    unchanged(watched, 1.0)
    watched.server.restart()
    watched.holds(announced)
    assert announced_since(watched, mark) == set(announced)


@pytest.mark.fault(22)
@ONLY_BIRD
def test_a_hung_bird_only_delays_the_daemon(watched: Watched, announced: Held) -> None:
    bird_of(watched).daemon.pause()
    problem(watched, "router", "did not answer")
    watched.server.daemon.kill()
    eventually(
        lambda: not networks_in(watched.router_file().read_text()),
        why="the file has no dead service when BIRD resumes",
    )
    nothing_piles_up(watched)
    bird_of(watched).daemon.resume()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)
    no_problem(watched)


@pytest.mark.fault(22)
@ONLY_BIRD
def test_a_control_socket_without_permission_or_missing_is_reported_and_then_used(
    resting: Watched, announced: Held
) -> None:
    resting.dns1.run("chown", "12345:12345", "/run/bird/bird.ctl")
    resting.dns1.run("chmod", "660", "/run/bird/bird.ctl")
    # Without these capabilities, root may not use the socket, but may read the Python files.
    powerless = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
    ours = (sys.executable, "-m", "anycast_routed", "daemon")
    resting.daemon_process = resting.dns1.start(*powerless, *ours, name="anycast-routed")
    problem(resting, "router", "may not use BIRD's control socket")
    resting.dns1.run("chown", "root:root", "/run/bird/bird.ctl")
    resting.holds(announced)
    no_problem(resting)
    resting.dns1.run("mv", "/run/bird/bird.ctl", "/run/bird/away")
    problem(resting, "router", "does not answer")
    unchanged(resting, 0.5)
    resting.dns1.run("mv", "/run/bird/away", "/run/bird/bird.ctl")
    no_problem(resting)
    assert set(resting.table()) == set(announced)


@pytest.mark.fault(22)
@ONLY_BIRD
def test_half_an_answer_of_bird_ends_the_pass(resting: Watched, announced: Held) -> None:
    config = quick()
    config["router"] = {"daemon": "bird", "control-socket": "/run/half.ctl"}
    resting.reconfigure(config)
    half = resting.dns1.start(sys.executable, "-c", HALF, "close", name="half")
    eventually(lambda: resting.dns1.path("/run/half.ctl").exists())
    resting.start_daemon()
    problem(resting, "router", "closed /run/half.ctl in the middle of its answer")
    half.kill()
    resting.dns1.path("/run/half.ctl").unlink()
    half = resting.dns1.start(sys.executable, "-c", HALF, "hang", name="half")
    problem(resting, "router", "did not answer on /run/half.ctl within 5 s")
    nothing_piles_up(resting)
    half.kill()
    resting.dns1.path("/run/half.ctl").unlink()
    resting.dns1.path("/run/half.ctl").symlink_to("/run/bird/bird.ctl")
    resting.holds(announced)
    no_problem(resting)
