"""Verbs while a daemon runs: reload, handover, and those that the daemon keeps out."""

from __future__ import annotations

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
    """Run each test on BIRD only: nothing here depends on the router."""
    name: str = request.param
    return name


def start(site: Site, *arguments: str) -> Daemon:
    argv = (sys.executable, "-m", "anycast_routed", *arguments)
    return site.dns1.start(*argv, name=arguments[0])


def test_reload_proves_which_config_the_daemon_has_loaded(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.daemon()
    site.both_hold(announced)
    assert "has loaded /etc/anycast-routed/config.json" in site.run("reload").out
    dns_config["anycast"]["localpref"] = 300
    site.configure(dns_config)
    document = site.document("reload")
    status = site.status()
    assert (document["pid"], document["digest"]) == (status.pid, status.digest)
    eventually(lambda: site.tables()[0][ONE][0] == 300, why="the new LocalPref")


@pytest.mark.fault(35)
def test_reload_of_a_broken_config_does_not_affect_the_daemon(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.daemon()
    site.both_hold(announced)
    good = site.status().digest
    dns_config["anycast"]["nexthop-interfaces"] = 1
    dns_config["bgp"]["as"] = 0
    site.configure(dns_config)
    done = site.run("reload", check=False)
    assert done.code == 78
    assert "anycast.nexthop-interfaces" in done.err
    assert "bgp.as" in done.err
    eventually(lambda: "config" in site.status().problems, why="the daemon notices it by itself")
    assert site.status().digest == good
    shown = site.run("status", check=False)
    assert shown.code == 78
    assert "the daemon runs" in shown.out
    assert "! config problem: " in shown.out
    assert site.tables() == [announced, announced]


def test_a_reload_that_withdraws_most_prefixes_needs_allow_shrink(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.daemon()
    site.both_hold(announced)
    dns_config["anycast"]["prefix"] = "nothing"
    site.configure(dns_config)
    for _ in range(2):  # The second refusal has the same problem.
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


def test_apply_and_withdraw_end_with_75_while_the_daemon_runs(site: Site, announced: Held) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    pid = site.status().pid
    done = site.run("apply", check=False)
    assert done.code == 75
    assert f"another instance is at work: daemon, PID {pid}" in done.err
    assert "anycast-routed reload" in done.err
    done = site.run("withdraw", check=False)
    assert done.code == 75
    assert "anycast-routed drain" in done.err
    assert daemon.alive, "an instance that waits for the daemon never ends"
    assert site.tables() == [announced, announced]
    # Neither a hung nor a dead daemon stops `withdraw --force`.
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
    first = site.status().pid
    handover = start(site, "handover", "--within", "10m")
    mark = site.dns1.path("/run/anycast-routed/handover")
    eventually(lambda: handover.check() and mark.exists(), why="the handover mark exists")
    assert old.terminate(PATIENCE) == 0
    assert site.tables() == [announced, announced]
    site.daemon()
    assert handover.wait(PATIENCE) == 0
    second = site.status().pid
    assert second != first
    assert f"the daemon, PID {second}, has taken over" in handover.log()
    assert site.tables() == [announced, announced]
    # The mark is used up: the next stop withdraws.
    site.dns1.daemons[-1].terminate(PATIENCE)
    site.both_hold({})


@pytest.mark.fault(31)
def test_a_handover_without_a_new_daemon_withdraws(site: Site, announced: Held) -> None:
    old = site.daemon()
    site.both_hold(announced)
    handover = start(site, "handover", "--within", "60s")
    mark = site.dns1.path("/run/anycast-routed/handover")
    eventually(lambda: handover.check() and mark.exists(), why="the handover mark exists")
    assert old.terminate(PATIENCE) == 0
    assert site.tables() == [announced, announced]
    handover.signal(signal.SIGTERM)  # `handover` ends its wait, as after 60 s.
    assert handover.wait(PATIENCE) == 4
    assert "no new daemon has taken over within 60s" in handover.log()
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
        eventually(lambda: handover.check() and mark.exists(), why="the handover mark exists")
        handover.signal(signal.SIGTERM)
    assert handover.wait(PATIENCE) == 0
    assert "was not restarted and continues as before" in handover.log()
    assert not mark.exists()
    assert site.tables() == [announced, announced]
    old.terminate(PATIENCE)
    site.both_hold({})


def test_a_handover_is_ready_for_systemd_once_its_mark_exists(site: Site, tmp_path: Path) -> None:
    site.daemon()
    mark = site.dns1.path("/run/anycast-routed/handover")
    address = tmp_path / "notify"  # the hosts of the lab share /tmp with the machine
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
