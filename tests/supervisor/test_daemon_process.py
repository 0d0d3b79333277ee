"""The daemon's process: stopped, killed, upgraded, hung, started twice, without log or state."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from anycast_routed.model import Verdict
from anycast_routed.state import handover
from anycast_routed.supervisor.read_back_pace import EVERY
from tests.support import program_runs
from tests.support.notify_socket import NOTIFY_SOCKET, NotifySocket
from tests.support.paths import SHIPPED_TEMPLATES
from tests.support.router_faults import (
    TEMPLATES,
    announced_since,
    bird_of,
    changes,
    problem,
    unchanged,
)
from tests.support.waiting import PATIENCE, eventually, never
from tests.support.watched_site import RUN_DIR, STATE_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

OURS = (sys.executable, "-m", "anycast_routed", "daemon")
ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"], scope="module")
TWENTY = 20
# stderr is a full pipe, whose reader never reads.
ASLEEP = '2> >(exec sleep 60); head -c 65536 /dev/zero >&2; exec "$@"'


@pytest.fixture(scope="module", params=["bird", "frr"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD and on FRR."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def running(lab: Lab, router_name: str) -> Watched:
    """Lay out the host and its peer; each test starts the daemon itself."""
    return lay_out(lab, router_name, quick())


@pytest.fixture
def watched(running: Watched, announced: Held) -> Iterator[Watched]:
    """Wait until everything is announced; stop the daemon and withdraw everything afterwards."""
    running.reconfigure(quick())
    if not running.server.daemon.alive:
        running.server.restart()
    running.start_daemon()
    running.holds(announced)
    yield running
    if running.process().alive:
        running.process().resume()
        running.process().terminate(PATIENCE)
    if running.table():
        running.run("withdraw")
    running.holds({})


def restart(watched: Watched, *argv: str) -> None:
    """Kill the daemon, and start it again by this command; the peer sees nothing."""
    watched.process().kill()
    watched.dns1.path(f"{RUN_DIR}/status.json").unlink(missing_ok=True)
    watched.daemon_process = watched.dns1.start(*argv, name="anycast-routed")


def has_judged(watched: Watched, verdict: Verdict = Verdict.UP) -> None:
    """Wait until the running daemon has a verdict from its own checks."""
    eventually(
        lambda: f"verdict service=dns verdict={verdict}" in watched.process().log(),
        why="a verdict of this process",
    )


@pytest.mark.fault(31)
def test_sigterm_withdraws(watched: Watched, announced: Held) -> None:
    mark = watched.mark()
    watched.stop_daemon()
    watched.holds({})
    assert sorted(changes(watched, mark)) == [("withdraw", one) for one in sorted(announced)]
    assert not watched.dns1.path(f"{RUN_DIR}/status.json").exists()


@pytest.mark.fault(31)
def test_an_upgrade_with_a_handover_mark_sends_no_update(watched: Watched) -> None:
    mark = watched.mark()
    handover.mark(watched.dns1.path(RUN_DIR), 600)
    watched.stop_daemon()
    unchanged(watched, 0.5)
    watched.start_daemon()
    has_judged(watched)
    unchanged(watched, 0.5)
    assert changes(watched, mark) == []
    assert not handover.marked(watched.dns1.path(RUN_DIR)), "the new daemon has taken the mark"
    watched.stop_daemon()
    watched.holds({})


@pytest.mark.fault(31)
@ONLY_BIRD
def test_an_expired_handover_mark_does_not_keep_the_routes(watched: Watched) -> None:
    handover.mark(watched.dns1.path(RUN_DIR), 0)
    watched.stop_daemon()
    watched.holds({})


@pytest.mark.fault(31)
@ONLY_BIRD
def test_sigterm_keeps_the_routes_with_on_stop_keep(watched: Watched) -> None:
    config = quick()
    config["daemon"] = {"on-stop": "keep"}
    mark = watched.mark()
    watched.reconfigure(config)
    eventually(lambda: "config in force" in watched.process().log())
    watched.stop_daemon()
    unchanged(watched, 0.5)
    watched.start_daemon()
    has_judged(watched)
    unchanged(watched, 0.3)
    assert changes(watched, mark) == []


@pytest.mark.fault(31)
def test_after_sigkill_the_routes_stay_until_the_next_daemon_finds_a_dead_service(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.process().kill()
    unchanged(watched, 0.5)
    watched.start_daemon()
    has_judged(watched)
    unchanged(watched, 0.3)
    assert changes(watched, mark) == []
    watched.process().kill()
    watched.server.daemon.kill()
    restart(watched, *OURS)
    watched.holds({})
    assert sorted(changes(watched, mark)) == [("withdraw", one) for one in sorted(announced)]


@pytest.mark.fault(69)
@pytest.mark.parametrize("router_name", ["frr"], scope="module")
def test_each_slow_call_that_works_feeds_the_watchdog_and_extends_the_start(
    watched: Watched,
) -> None:
    # The first pass needs several calls, and ends with READY.
    slow = watched.dns1.write("/run/slow-vtysh", '#!/bin/sh\nsleep 1\nexec vtysh "$@"\n')
    slow.chmod(0o755)
    config = quick()
    config["router"] = {"vtysh": "/run/slow-vtysh"}
    watched.reconfigure(config)
    with NotifySocket(watched.file(NOTIFY_SOCKET)) as systemd:
        restart(watched, "env", f"NOTIFY_SOCKET={NOTIFY_SOCKET}", *OURS)
        eventually(lambda: "READY=1" in systemd.received)
        first_pass = systemd.received[: systemd.received.index("READY=1")]
        fed = [one for one in first_pass if one.startswith("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=")]
        assert len(fed) >= 3
        watched.stop_daemon()


@pytest.mark.fault(31)
@ONLY_BIRD
def test_a_pass_that_ends_feeds_the_watchdog_and_one_that_hangs_does_not(
    watched: Watched, announced: Held
) -> None:
    config = quick()
    config["router"] = {"template-dir": TEMPLATES}
    good = watched.dns1.write(
        f"{TEMPLATES}/bird.conf.j2", (SHIPPED_TEMPLATES / "bird.conf.j2").read_text()
    )
    watched.reconfigure(config)
    with NotifySocket(watched.file(NOTIFY_SOCKET)) as systemd:
        restart(watched, "env", f"NOTIFY_SOCKET={NOTIFY_SOCKET}", *OURS)
        eventually(lambda: "READY=1" in systemd.received)
        assert systemd.received.index("WATCHDOG=1") < systemd.received.index("READY=1")
        eventually(lambda: any("exports 3 prefixes" in one for one in systemd.received))
        bird_of(watched).daemon.kill()
        problem(watched, "router", "")
        before = systemd.watchdog_count()
        eventually(lambda: systemd.watchdog_count() > before, why="a pass that fails has ended")
        bird_of(watched).restart()
        watched.holds(announced)
        with never_ending_pass(good):
            before = systemd.watchdog_count()
            never(lambda: systemd.watchdog_count() > before, seconds=EVERY + 0.5)
        eventually(lambda: systemd.watchdog_count() > before, why="the daemon goes on")
        watched.stop_daemon()
        assert "STOPPING=1" in systemd.received


@contextmanager
def never_ending_pass(template: Path) -> Iterator[None]:
    """Replace the template by a FIFO, so that a pass that reads it lasts as long as the context."""
    text, fifo = template.read_text(), template.with_name("fifo")
    os.mkfifo(fifo)
    fifo.replace(template)
    # Until the daemon has opened the FIFO for reading, this raises an error (fifo(7)).
    descriptor = eventually(
        lambda: os.open(template, os.O_WRONLY | os.O_NONBLOCK), why="a pass reads the template"
    )
    with open(descriptor, "w") as stream:  # noqa: PTH123 - a descriptor has no path
        yield
        fifo.write_text(text)
        fifo.replace(template)
        stream.write(text)


@pytest.mark.fault(32)
@ONLY_BIRD
def test_a_second_instance_ends_with_75_while_the_daemon_runs(watched: Watched) -> None:
    mark = watched.mark()
    for verb in ("daemon", "apply"):
        done = watched.run(verb, check=False)
        assert done.code == 75
        assert f"another instance is at work: daemon, PID {watched.status().pid}" in done.err
    assert watched.process().alive, "a second instance that waits for the first never ends"
    assert changes(watched, mark) == []


@pytest.mark.fault(32)
@ONLY_BIRD
def test_of_twenty_daemons_in_parallel_one_works(watched: Watched) -> None:
    mark = watched.mark()
    watched.process().kill()
    with ThreadPoolExecutor(TWENTY) as pool:
        daemons = list(
            pool.map(lambda _: program_runs.start(watched.dns1, "daemon"), range(TWENTY))
        )
    eventually(lambda: sum(one.alive for one in daemons) == 1, why="the others end")
    assert sorted(one.code for one in daemons if one.code is not None) == [75] * (TWENTY - 1)
    (watched.daemon_process,) = (one for one in daemons if one.alive)
    has_judged(watched)
    assert changes(watched, mark) == []


@pytest.mark.fault(37)
@ONLY_BIRD
@pytest.mark.parametrize("to", ["2>&-", "2> >(true)", "2>/dev/full", ASLEEP])
def test_the_daemon_works_when_nothing_reads_its_log(
    watched: Watched, announced: Held, to: str
) -> None:
    mark = watched.mark()
    script = f"exec {to}" if to == ASLEEP else f'exec "$@" {to}'
    restart(watched, "bash", "-c", script, "bash", *OURS)
    eventually(lambda: watched.status().health["dns"].verdict is Verdict.UP)
    assert changes(watched, mark) == []
    watched.server.daemon.kill()
    watched.holds({})
    watched.server.restart()
    watched.holds(announced)
    assert watched.process().alive


@pytest.mark.fault(37)
@ONLY_BIRD
def test_the_daemon_works_without_a_state_directory_and_reports_it(
    watched: Watched, announced: Held
) -> None:
    watched.dns1.run("mkdir", "-p", STATE_DIR)
    watched.dns1.run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", STATE_DIR)
    mark = watched.mark()
    restart(watched, *OURS)
    has_judged(watched)
    watched.server.daemon.kill()
    watched.holds({})
    problem(watched, "journal", f"cannot write {STATE_DIR}")
    watched.dns1.run("umount", STATE_DIR)
    watched.server.restart()
    watched.holds(announced)
    eventually(lambda: not watched.status().problems, why="it can be written again")
    assert announced_since(watched, mark) == set(announced)
