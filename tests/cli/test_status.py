"""`status` and `explain` with a daemon, with a dead daemon, and with --watch."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns
from anycast_routed.lab.bird import Bird
from anycast_routed.model import Verdict
from tests.support.long_apply import apply_in_progress
from tests.support.waiting import PATIENCE, eventually, never

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration

ONE = "10.10.10.10/32"


@pytest.fixture(params=["bird"])
def router_name(request: pytest.FixtureRequest) -> str:
    """Run each test on BIRD only: the verbs are the same on both."""
    name: str = request.param
    return name


def test_status_begins_with_the_daemon(site: Site, announced: Held) -> None:
    site.daemon()
    site.both_hold(announced)
    site.status_has(Verdict.UP)
    lines = site.run("status").out.splitlines()
    pid = site.document("status")["daemon"]["pid"]
    assert lines[0].startswith(f"  the daemon runs: PID {pid}, since 20")
    assert lines[1].startswith("  service dns: up, ")
    assert f"+ {ONE}" in "\n".join(lines)


def test_the_status_file_of_a_dead_daemon_is_ignored(site: Site, announced: Held) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    site.status_has(Verdict.UP)
    daemon.kill()
    assert site.dns1.path("/run/anycast-routed/status.json").exists()
    assert site.document("status")["daemon"] is None
    shown = site.run("status").out
    assert "! the daemon does not run" in shown
    assert "up at the last run" in shown
    # A run of `apply` that holds the lock is no daemon either.
    with apply_in_progress(site) as holder:
        assert site.document("status")["daemon"] is None
    assert holder.wait(PATIENCE) == 0


def test_status_shows_a_broken_config_and_a_clean_stop(site: Site, announced: Held) -> None:
    daemon = site.daemon()
    site.both_hold(announced)
    site.status_has(Verdict.UP)
    file = site.dns1.path("/etc/anycast-routed/config.json")
    whole = file.read_text()
    file.write_text("{")
    done = site.run("status", check=False)
    file.write_text(whole)
    assert done.code == 78
    assert "! the config file is refused: the old config stays in force" in done.out
    assert "service dns: up, " in done.out
    daemon.terminate(PATIENCE)
    shown = site.run("status").out.splitlines()
    assert shown[:2] == [
        "  no daemon runs: systemctl start anycast-routed",
        "  service dns: up at the last run, NOERROR",
    ]
    site.dns1.path("/run/anycast-routed/state.json").unlink()
    assert "  service dns: no verdict on record\n" in site.run("status").out


def test_explain_uses_the_verdict_of_the_daemon(site: Site, announced: Held) -> None:
    site.daemon()
    site.both_hold(announced)
    site.status_has(Verdict.UP)
    chain = site.document("explain", ONE)["chain"]
    assert all(one["holds"] for one in chain)
    assert [one["name"] for one in chain][:3] == ["source", "check", "plan"]
    site.server.daemon.kill()
    site.both_hold({})
    site.status_has(Verdict.DOWN)
    chain = site.document("explain", ONE)["chain"]
    assert next(one["name"] for one in chain if one["holds"] is False) == "check"


def test_status_without_a_router_still_shows_the_daemons_status(
    site: Site, announced: Held
) -> None:
    site.daemon()
    site.both_hold(announced)
    site.status_has(Verdict.UP)
    assert isinstance(site.router, Bird)
    site.router.daemon.kill()
    site.dns1.path("/run/bird/bird.ctl").unlink(missing_ok=True)
    done = site.run("status", check=False)
    assert done.code == 69
    assert "the daemon runs: PID" in done.out
    assert "service dns: up" in done.out


def test_watch_shows_each_change_until_it_is_interrupted(site: Site, announced: Held) -> None:
    site.daemon()
    site.both_hold(announced)
    argv = (sys.executable, "-m", "anycast_routed", "status", "--watch")
    watch = site.dns1.start(*argv, name="watch")
    eventually(lambda: watch.check() and f"+ {ONE}" in watch.log(), why="the present state")
    site.server.daemon.kill()
    eventually(lambda: f"! {ONE}" in watch.log(), why="the change")
    assert "\x1b" not in watch.log(), "no escape codes where there is no terminal"
    watch.signal(signal.SIGINT)
    assert watch.wait(PATIENCE) == 0


def test_watch_redraws_a_terminal(site: Site, announced: Held) -> None:
    site.daemon()
    site.both_hold(announced)
    ours = f"exec {sys.executable} -m anycast_routed status --watch"
    # script(1) provides a terminal.
    terminal = site.dns1.start("script", "-qefc", ours, "/dev/null", name="terminal")
    eventually(lambda: terminal.check() and f"\x1b[32m+\x1b[0m {ONE}" in terminal.log())
    never(lambda: terminal.log().count("\x1b[H") > 1, seconds=2, why="nothing has changed")
    assert terminal.log().startswith("\x1b[H\x1b[2J")
    (watch,) = terminal.descendants()
    os.kill(watch, signal.SIGINT)
    terminal.wait(PATIENCE)


def test_status_reports_a_pulse_that_cannot_see_its_server(
    site: Site, dns_config: dict[str, Any]
) -> None:
    dns.unbound(site.lab.hosts["edge"], address=("172.17.2.254",))
    dns_config["dns"]["ip"] = "172.17.2.254"  # This server runs on another host.
    dns_config["dns"]["pulse"] = True
    site.configure(dns_config)
    site.daemon()
    eventually(lambda: "dns: up" in site.run("status").out, why="up")
    assert "! service dns: the pulse is incomplete" in site.run("status").out
