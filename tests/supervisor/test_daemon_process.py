"""The daemon's own life: stopped, killed, upgraded, hung, doubled, unheard, without its state."""

from __future__ import annotations

import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, eventually
from anycast_routed.model import Verdict
from anycast_routed.state import handover
from anycast_routed.supervisor.router_loop import EVERY
from tests.support.paths import SHIPPED_TEMPLATES
from tests.support.router_faults import (
    TEMPLATES,
    announced_since,
    bird_of,
    changes,
    problem,
    unchanged,
)
from tests.support.watched_site import RUN_DIR, STATE_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

OURS = (sys.executable, "-m", "anycast_routed", "daemon")
ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"], scope="module")
TWENTY = 20
# A pipe that is full, and whose reader never reads.
ASLEEP = '2> >(exec sleep 60); head -c 65536 /dev/zero >&2; exec "$@"'


class Systemd:
    """What systemd is told, at a socket of the host."""

    def __init__(self, watched: Watched) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(watched.dns1.path("/run/notify")))
        self._socket.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self.heard: list[str] = []

    def told(self) -> list[str]:
        """Return everything that has been told so far."""
        while True:
            try:
                self.heard.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def beats(self) -> int:
        """Count the signs of life."""
        return self.told().count("WATCHDOG=1")

    def close(self) -> None:
        """Go away."""
        self._socket.close()


@pytest.fixture(scope="module", params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Take either router."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def at_work(lab: Lab, router_name: str) -> Watched:
    """Lay out the host and its peer; each test starts the daemon in its own way."""
    return lay_out(lab, router_name, quick())


@pytest.fixture
def watched(at_work: Watched, announced: Held) -> Iterator[Watched]:
    """Wait until everything is announced; in the end all is withdrawn, and the daemon gone."""
    at_work.reconfigure(quick())
    if not at_work.server.daemon.alive:
        at_work.server.restart()
    at_work.begin()
    at_work.holds(announced, within=20)
    yield at_work
    if at_work.at_work().alive:
        at_work.at_work().resume()
        at_work.at_work().terminate(within=15)
    if at_work.table():
        at_work.run("withdraw")
    at_work.holds({}, within=5)


def restart(watched: Watched, *argv: str) -> None:
    """End the daemon without a trace at the peer, and start it again by this command."""
    watched.at_work().kill()
    watched.dns1.path(f"{RUN_DIR}/status.json").unlink(missing_ok=True)
    watched.ours = watched.dns1.start(*argv, name="anycast-routed")


def has_judged(watched: Watched, verdict: Verdict = Verdict.UP) -> None:
    """Wait until the running daemon has a verdict of its own."""
    eventually(
        lambda: f"verdict service=dns verdict={verdict}" in watched.at_work().log(),
        within=5,
        why="a verdict of this process",
    )


@pytest.mark.fault(31)
def test_sigterm_withdraws(watched: Watched, announced: Held) -> None:
    mark = watched.mark()
    watched.end()
    watched.holds({}, within=2)
    assert sorted(changes(watched, mark)) == [("withdraw", one) for one in sorted(announced)]
    assert not watched.dns1.path(f"{RUN_DIR}/status.json").exists()


@pytest.mark.fault(31)
def test_no_update_at_an_upgrade_that_leaves_a_mark(watched: Watched) -> None:
    mark = watched.mark()
    handover.mark(watched.dns1.path(RUN_DIR), 30)
    watched.end()
    unchanged(watched, 0.5)
    watched.begin()
    has_judged(watched)
    unchanged(watched, 0.5)
    assert changes(watched, mark) == []
    assert not handover.marked(watched.dns1.path(RUN_DIR)), "it has been taken over"
    watched.end()
    watched.holds({}, within=2)


@pytest.mark.fault(31)
@ONLY_BIRD
def test_a_mark_whose_time_is_over_keeps_nothing(watched: Watched) -> None:
    handover.mark(watched.dns1.path(RUN_DIR), 0)
    watched.end()
    watched.holds({}, within=2)


@pytest.mark.fault(31)
@ONLY_BIRD
def test_sigterm_keeps_where_the_config_says_so(watched: Watched) -> None:
    config = quick()
    config["daemon"] = {"on-stop": "keep"}
    mark = watched.mark()
    watched.reconfigure(config)
    eventually(lambda: "config in force" in watched.at_work().log(), within=5)
    watched.end()
    unchanged(watched, 0.5)
    watched.begin()
    has_judged(watched)
    unchanged(watched, 0.3)
    assert changes(watched, mark) == []


@pytest.mark.fault(31)
def test_after_sigkill_the_routes_stay_and_only_what_died_meanwhile_goes(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.at_work().kill()
    unchanged(watched, 0.5)
    watched.begin()
    has_judged(watched)
    unchanged(watched, 0.3)
    assert changes(watched, mark) == []
    watched.at_work().kill()
    watched.server.daemon.kill()
    restart(watched, *OURS)
    # Within a second, when it does not have to share the machine.
    watched.holds({}, within=5)
    assert sorted(changes(watched, mark)) == [("withdraw", one) for one in sorted(announced)]


@pytest.mark.fault(31)
@ONLY_BIRD
def test_only_passes_that_end_feed_the_watchdog(watched: Watched, announced: Held) -> None:
    systemd = Systemd(watched)
    config = quick()
    config["router"] = {"template-dir": TEMPLATES}
    good = watched.dns1.write(
        f"{TEMPLATES}/bird.conf.j2", (SHIPPED_TEMPLATES / "bird.conf.j2").read_text()
    )
    watched.reconfigure(config)
    restart(watched, "env", "NOTIFY_SOCKET=/run/notify", *OURS)
    eventually(lambda: "READY=1" in systemd.told(), within=5)
    assert systemd.told().index("WATCHDOG=1") < systemd.told().index("READY=1")
    eventually(lambda: any("exports 3 prefixes" in one for one in systemd.told()), within=5)
    bird_of(watched).daemon.kill()
    problem(watched, "router", "")
    beats = systemd.beats()
    eventually(lambda: systemd.beats() > beats, within=5, why="a pass that fails has ended")
    bird_of(watched).restart()
    watched.holds(announced)
    # Nobody writes into this template, so that the pass which reads it never ends.
    text, pipe = good.read_text(), good.with_name("pipe")
    os.mkfifo(pipe)
    pipe.replace(good)
    beats = falls_silent(systemd, EVERY + 0.5)
    with good.open("w") as stream:
        pipe.write_text(text)
        pipe.replace(good)
        stream.write(text)
    eventually(lambda: systemd.beats() > beats, within=5, why="it goes on")
    watched.end()
    assert "STOPPING=1" in systemd.told()
    systemd.close()


def falls_silent(systemd: Systemd, seconds: float) -> int:
    """Wait until no sign of life has come for so long; return how many there were."""
    latest = (systemd.beats(), time.monotonic())

    def silent() -> bool:
        nonlocal latest
        if systemd.beats() != latest[0]:
            latest = (systemd.beats(), time.monotonic())
        return time.monotonic() - latest[1] > seconds

    eventually(silent, within=seconds + 4, why="a pass has met the pipe")
    return latest[0]


@pytest.mark.fault(32)
@ONLY_BIRD
def test_a_second_instance_ends_with_75_within_a_second(watched: Watched) -> None:
    mark = watched.mark()
    begun = time.monotonic()
    watched.run("validate")
    needed = time.monotonic() - begun
    for verb in ("daemon", "apply"):
        begun = time.monotonic()
        done = watched.run(verb, check=False)
        assert done.code == 75
        assert f"another instance is at work: daemon, PID {watched.says().pid}" in done.err
        assert time.monotonic() - begun < needed + 1.0
    assert changes(watched, mark) == []


@pytest.mark.fault(32)
@ONLY_BIRD
def test_of_twenty_in_parallel_one_works(watched: Watched) -> None:
    mark = watched.mark()
    watched.at_work().kill()
    with ThreadPoolExecutor(TWENTY) as pool:
        daemons = list(
            pool.map(lambda _: watched.dns1.start(*OURS, name="anycast-routed"), range(TWENTY))
        )
    eventually(lambda: sum(one.alive for one in daemons) == 1, within=30, why="the others end")
    assert sorted(one.code for one in daemons if one.code is not None) == [75] * (TWENTY - 1)
    (watched.ours,) = (one for one in daemons if one.alive)
    has_judged(watched)
    assert changes(watched, mark) == []


@pytest.mark.fault(37)
@ONLY_BIRD
@pytest.mark.parametrize("to", ["2>&-", "2> >(true)", "2>/dev/full", ASLEEP])
def test_it_works_without_anyone_who_reads_its_log(
    watched: Watched, announced: Held, to: str
) -> None:
    mark = watched.mark()
    script = f"exec {to}" if to == ASLEEP else f'exec "$@" {to}'
    restart(watched, "bash", "-c", script, "bash", *OURS)
    eventually(lambda: watched.says().health["dns"].verdict is Verdict.UP, within=5)
    assert changes(watched, mark) == []
    watched.server.daemon.kill()
    watched.holds({}, within=2)
    watched.server.restart()
    watched.holds(announced)
    assert watched.at_work().alive


@pytest.mark.fault(37)
@ONLY_BIRD
def test_it_works_without_a_state_folder_and_says_so(watched: Watched, announced: Held) -> None:
    watched.dns1.run("mkdir", "-p", STATE_DIR)
    watched.dns1.run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", STATE_DIR)
    mark = watched.mark()
    restart(watched, *OURS)
    has_judged(watched)
    watched.server.daemon.kill()
    watched.holds({}, within=2)
    problem(watched, "journal", f"cannot write {STATE_DIR}")
    watched.dns1.run("umount", STATE_DIR)
    watched.server.restart()
    watched.holds(announced)
    eventually(lambda: not watched.says().problems, within=5, why="it can be written again")
    assert announced_since(watched, mark) == set(announced)
