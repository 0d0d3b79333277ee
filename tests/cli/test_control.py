"""The verbs beside a daemon that runs: reload, handover, and those that must not meddle."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.lab import Daemon
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration

ONE = "10.10.10.10/32"


@pytest.fixture(params=["bird"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Nothing here depends on the router, but where a test says so."""
    name: str = request.param
    return name


def status_of(site: Site) -> Any:  # noqa: ANN401 - JSON
    return json.loads(site.dns1.read("/run/anycast-routed/status.json"))


def start(site: Site, *arguments: str) -> Daemon:
    argv = (sys.executable, "-m", "anycast_routed", *arguments)
    return site.dns1.start(*argv, name=arguments[0])


def test_reload_proves_what_the_daemon_has_taken(
    site: Site, announced: Held, seed: dict[str, Any]
) -> None:
    site.daemon()
    site.both_hold(announced)
    assert "has taken /etc/anycast-routed/config.json" in site.run("reload").out
    seed["anycast"]["localpref"] = 300
    site.configure(seed)
    document = site.document("reload")
    status = status_of(site)
    assert (document["pid"], document["digest"]) == (status["pid"], status["digest"])
    eventually(lambda: site.tables()[0][ONE][0] == 300, why="the new LocalPref")


@pytest.mark.fault(35)
def test_reload_of_a_broken_file_leaves_the_daemon_alone(
    site: Site, announced: Held, seed: dict[str, Any]
) -> None:
    site.daemon()
    site.both_hold(announced)
    good = status_of(site)["digest"]
    seed["anycast"]["nexthop-interfaces"] = 1
    seed["bgp"]["as"] = 0
    site.configure(seed)
    done = site.run("reload", check=False)
    assert done.code == 78
    assert "anycast.nexthop-interfaces" in done.err
    assert "bgp.as" in done.err
    eventually(lambda: "config" in status_of(site)["problems"], why="it sees it by itself")
    assert status_of(site)["digest"] == good
    shown = site.run("status", check=False)
    assert shown.code == 78
    assert "the daemon runs" in shown.out
    assert "! config problem: " in shown.out
    assert site.tables() == [announced, announced]


def test_reload_that_would_withdraw_most_needs_the_flag(
    site: Site, announced: Held, seed: dict[str, Any]
) -> None:
    site.daemon()
    site.both_hold(announced)
    seed["anycast"]["prefix"] = "nothing"
    site.configure(seed)
    for _ in range(2):  # The second time the refusal is no news.
        done = site.run("reload", check=False)
        assert done.code == 78
        assert "would withdraw most of what is announced: 10.10.10.10/32" in done.err
        assert "--allow-shrink" in done.err
    assert "! config problem: the new config would withdraw most" in site.run("status").out
    assert site.tables() == [announced, announced]
    site.run("reload", "--allow-shrink")
    site.both_hold({p: r for p, r in announced.items() if ":" in p})
    assert not site.dns1.path("/run/anycast-routed/allow-shrink").exists()


def test_without_a_daemon_reload_and_handover_end_with_69(site: Site) -> None:
    site.daemon().kill()
    for verb in ("reload", "handover"):
        done = site.run(verb, check=False)
        assert done.code == 69
        assert "no daemon runs here" in done.err
        assert "systemctl start anycast-routed" in done.err


def test_apply_and_withdraw_leave_the_field_to_the_daemon(site: Site, announced: Held) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    pid = status_of(site)["pid"]
    done = site.run("apply", check=False)
    assert done.code == 75
    assert f"another instance is at work: daemon, PID {pid}" in done.err
    assert "anycast-routed reload" in done.err
    done = site.run("withdraw", check=False)
    assert done.code == 75
    assert "anycast-routed drain" in done.err
    assert daemon.alive, "an instance that waits for the daemon never ends"
    assert site.tables() == [announced, announced]
    # One that hangs is no obstacle, and one that is dead is none at all.
    daemon.pause()
    assert f"- {ONE}" in site.run("withdraw", "--force").out
    site.both_hold({})
    daemon.kill()
    site.run("withdraw")
    site.run("apply")
    site.both_hold(announced)


@pytest.mark.fault(31)
def test_a_handover_keeps_the_announcements_over_a_restart(site: Site, announced: Held) -> None:
    old = site.daemon()
    site.both_hold(announced)
    first = status_of(site)["pid"]
    handover = start(site, "handover")
    mark = site.dns1.path("/run/anycast-routed/handover")
    eventually(lambda: handover.check() and mark.exists(), why="the mark stands")
    assert old.terminate(PATIENCE) == 0
    assert site.tables() == [announced, announced]
    site.daemon()
    assert handover.wait(PATIENCE) == 0
    second = status_of(site)["pid"]
    assert second != first
    assert f"the daemon, PID {second}, has taken over" in handover.log()
    assert site.tables() == [announced, announced]
    # The mark has done its work: the next stop is a real one.
    site.dns1.daemons[-1].terminate(PATIENCE)
    site.both_hold({})


@pytest.mark.fault(31)
def test_a_handover_to_nobody_withdraws(site: Site, announced: Held) -> None:
    old = site.daemon()
    site.both_hold(announced)
    handover = start(site, "handover", "--within", "60s")
    mark = site.dns1.path("/run/anycast-routed/handover")
    eventually(lambda: handover.check() and mark.exists(), why="the mark stands")
    assert old.terminate(PATIENCE) == 0
    assert site.tables() == [announced, announced]
    handover.signal(signal.SIGTERM)  # It looks for a successor at once, as when its time is over.
    assert handover.wait(PATIENCE) == 4
    assert "nobody has taken over within 60s" in handover.log()
    site.both_hold({})


@pytest.mark.parametrize("ended", ["by its time", "by a signal"])
def test_a_handover_without_a_restart_changes_nothing(
    site: Site, announced: Held, ended: str
) -> None:
    old = site.daemon()
    site.both_hold(announced)
    handover = start(site, "handover", "--within", "1s" if ended == "by its time" else "60s")
    mark = site.dns1.path("/run/anycast-routed/handover")
    if ended == "by a signal":
        eventually(lambda: handover.check() and mark.exists(), why="the mark stands")
        handover.signal(signal.SIGTERM)
    assert handover.wait(PATIENCE) == 0
    assert "was not restarted, and goes on as before" in handover.log()
    assert not mark.exists()
    assert site.tables() == [announced, announced]
    old.terminate(PATIENCE)
    site.both_hold({})


def test_a_handover_tells_systemd_once_the_mark_stands(site: Site, tmp_path: Path) -> None:
    site.daemon()
    mark = site.dns1.path("/run/anycast-routed/handover")
    address = tmp_path / "notify"  # /tmp is the machine's own, also in a host
    heard: list[tuple[bytes, bool]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(PATIENCE)
        hearing = threading.Thread(
            target=lambda: heard.append((systemd.recv(4096), mark.exists())), daemon=True
        )
        hearing.start()
        argv = (sys.executable, "-m", "anycast_routed", "handover", "--within", "1s")
        done = site.dns1.run(*argv, env={"NOTIFY_SOCKET": str(address)}, within=PATIENCE)
        hearing.join(PATIENCE)
    assert done.code == 0
    assert heard == [(b"READY=1", True)]
