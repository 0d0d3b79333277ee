"""Directories and files that other users can change: refused or set aside, and never used."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab.bird import Bird
from anycast_routed.model import Verdict
from anycast_routed.state import record
from tests.support.router_faults import networks_in
from tests.support.users import DAEMON, OTHER, needs_users
from tests.support.waiting import PATIENCE, eventually
from tests.support.watched_site import RUN_DIR, STATE_DIR, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held, Site

pytestmark = [pytest.mark.integration, pytest.mark.fault(34)]

ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"])
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
OURS = ("state.json", "holder", "handover", "forgive", "history.jsonl")


def refused(site: Site, *verb: str) -> str:
    """Run a verb that must be refused because of a directory; return its message."""
    done = site.run(*verb, check=False)
    assert done.code == 77, done.err
    assert "may be written by everybody" in done.err
    return done.err


@ONLY_BIRD
def test_with_a_run_directory_that_others_can_write_nothing_is_announced_but_dead_is_withdrawn(
    site: Site, announced: Held
) -> None:
    run = site.dns1.path(RUN_DIR)
    run.mkdir()
    run.chmod(0o777)
    assert f"chmod go-w {RUN_DIR}" in refused(site, "apply")
    refused(site, "daemon")
    assert not list(run.iterdir())
    run.chmod(0o755)
    site.run("apply")
    site.both_hold(announced)
    run.chmod(0o777)
    refused(site, "apply")
    site.both_hold(announced)
    site.server.daemon.kill()
    refused(site, "apply")
    site.both_hold({})
    run.chmod(0o755)
    comes_back(site, announced)
    run.chmod(0o777)
    site.server.daemon.kill()
    refused(site, "daemon")
    site.both_hold({})


@ONLY_BIRD
def test_a_dead_service_is_withdrawn_although_the_drain_orders_are_damaged(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    comes_back(site, announced)
    state = site.dns1.path(STATE_DIR)
    state.mkdir()
    garbage(state / "drains.json")
    damaged = site.run("apply", check=False)
    assert damaged.code == 78
    assert "cannot tell what is drained" in damaged.err
    site.both_hold(announced)
    prefix, dns_config["anycast"]["prefix"] = dns_config["anycast"]["prefix"], "nothing"
    site.configure(dns_config)
    assert site.run("apply", check=False).code == 78
    site.both_hold(announced)
    dns_config["anycast"]["prefix"] = prefix
    site.configure(dns_config)
    site.server.daemon.kill()
    assert site.run("apply", check=False).code == 78
    site.both_hold({})


@pytest.mark.fault(20)
@ONLY_BIRD
def test_a_dead_service_leaves_a_stopped_birds_file_although_the_drain_orders_are_damaged(
    site: Site, announced: Held
) -> None:
    comes_back(site, announced)
    state = site.dns1.path(STATE_DIR)
    state.mkdir()
    garbage(state / "drains.json")
    assert isinstance(site.router, Bird)
    site.router.daemon.terminate(PATIENCE)
    file = site.dns1.path(RUN_DIR) / "bird.conf"
    assert site.run("apply", check=False).code == 69
    assert networks_in(file.read_text()) == set(announced)
    site.server.daemon.kill()
    assert site.run("apply", check=False).code == 69
    assert not networks_in(file.read_text())


def comes_back(site: Site, announced: Held) -> None:
    """Start the server, apply, and wait until all is announced."""
    site.server.restart()
    site.run("apply")
    site.both_hold(announced)


@needs_users
@ONLY_BIRD
def test_withdraw_works_with_directories_that_others_can_write(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    state = site.dns1.path(STATE_DIR)
    state.mkdir()
    state.chmod(0o777)
    assert STATE_DIR in refused(site, "apply")
    assert STATE_DIR in refused(site, "drain")
    site.dns1.path(RUN_DIR).chmod(0o777)
    assert "going on without the lock" in site.run("withdraw").err
    site.both_hold({})
    site.dns1.path(RUN_DIR).chmod(0o755)
    state.chmod(0o755)
    site.run("apply")
    site.both_hold(announced)
    # The directory of the file that BIRD includes is another user's link, too.
    site.dns1.path(RUN_DIR).rename(site.dns1.path("/run/aside"))
    planted(site.dns1.path("/run") / "anycast-routed", "/run/aside")
    done = site.run("withdraw", check=False)
    assert done.code == 77, done.err
    assert f"which belongs to user {DAEMON}" in done.err
    site.both_hold({})


@needs_users
@ONLY_BIRD
def test_root_follows_no_link_that_the_daemons_user_planted(site: Site, announced: Held) -> None:
    dns1 = site.dns1
    victim = dns1.write("/etc/victim", "precious")
    before = victim.stat()
    run, state = dns1.path(RUN_DIR), dns1.path(STATE_DIR)
    for directory in (run, state):
        directory.mkdir()
        os.chown(directory, DAEMON, DAEMON)
    others = ("status.json", "bird.conf", "bird.conf.rejected", "allow-shrink", "history.jsonl.1")
    for name in (*OURS, *others):
        planted(run / name)
        planted(state / name)
    site.run("apply")
    site.both_hold(announced)
    site.run("drain")
    site.run("undrain")
    planted(run / "lock")
    assert site.run("apply", check=False).code == 73
    planted(run / "bird.conf")
    site.run("withdraw", check=False)
    site.both_hold({})
    after = victim.stat()
    assert victim.read_text() == "precious"
    assert (after.st_ino, after.st_uid, after.st_mode) == (
        before.st_ino,
        before.st_uid,
        before.st_mode,
    )


def planted(path: Path, target: str = "/etc/victim") -> None:
    """Plant a link to a file of root, owned by the daemon's user."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    os.lchown(path, DAEMON, DAEMON)


def garbage(path: Path) -> None:
    """Write garbage into the file."""
    path.write_bytes(b"\x00{[\xff" * 100)


def another_boot(path: Path) -> None:
    """Replace the boot ID by that of another boot."""
    text = path.read_bytes() if path.is_file() else record.this_boot().encode()
    path.write_bytes(text.replace(record.this_boot().encode(), OTHER_BOOT.encode()))


def link(path: Path) -> None:
    """Replace the file by a link to the same content."""
    aside = path.with_name(f"{path.name}.aside")
    if path.is_file():
        shutil.copyfile(path, aside)
    path.unlink(missing_ok=True)
    path.symlink_to(aside.name)


def another_user(path: Path) -> None:
    """Give the file to another user."""
    path.touch()
    os.chown(path, OTHER, OTHER)


KINDS: dict[str, Callable[[Path], None]] = {
    "garbage": garbage,
    "another boot": another_boot,
    "link": link,
    "another user": another_user,
}


@needs_users
def test_a_daemon_sets_damaged_state_aside_and_reads_the_router(lab: Lab, announced: Held) -> None:
    watched = lay_out(lab, "bird", quick())
    watched.start_daemon()
    watched.holds(announced)
    for kind, damage in KINDS.items():
        watched.process().kill()
        mark = watched.mark()
        for name in OURS:
            damage(watched.file(STATE_DIR if "history" in name else RUN_DIR) / name)
        watched.start_daemon()
        eventually(lambda: watched.status().health["dns"].verdict is Verdict.UP, why=kind)
        if damage in (link, another_user):
            assert "history.jsonl" in watched.status().problems["journal"], (
                "the problem is reported at once"
            )
        watched.no_update_for(0.2)
        assert not watched.updates(mark), kind
    watched.server.daemon.kill()
    watched.holds({})


@needs_users
def test_drain_orders_of_another_user_change_nothing(lab: Lab, announced: Held) -> None:
    watched = lay_out(lab, "bird", quick())
    watched.start_daemon()
    watched.holds(announced)
    orders = watched.file(STATE_DIR) / "drains.json"
    orders.write_text('{"schema": 1, "drained": []}')
    os.chown(orders, OTHER, OTHER)
    eventually(lambda: "drains" in watched.status().problems, why="the problem is reported")
    assert "belongs to another user" in watched.status().problems["drains"]
    assert watched.table() == announced
    orders.unlink()
    eventually(lambda: "drains" not in watched.status().problems, why="the problem is over")
