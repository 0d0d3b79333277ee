"""Folders and files that others have had their hands in: refused or set aside, and never obeyed."""

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
    """Run a verb that is refused for a folder's sake; return what it says."""
    done = site.run(*verb, check=False)
    assert done.code == 77, done.err
    assert "may be written by everybody" in done.err
    return done.err


@ONLY_BIRD
def test_in_a_folder_that_others_may_write_nothing_is_announced_and_what_is_dead_goes(
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
def test_what_is_dead_goes_although_nobody_can_tell_what_is_drained(
    site: Site, announced: Held, seed: dict[str, Any]
) -> None:
    comes_back(site, announced)
    state = site.dns1.path(STATE_DIR)
    state.mkdir()
    garbage(state / "drains.json")
    damaged = site.run("apply", check=False)
    assert damaged.code == 78
    assert "cannot tell what is drained" in damaged.err
    site.both_hold(announced)
    prefix, seed["anycast"]["prefix"] = seed["anycast"]["prefix"], "nothing"
    site.configure(seed)
    assert site.run("apply", check=False).code == 78
    site.both_hold(announced)
    seed["anycast"]["prefix"] = prefix
    site.configure(seed)
    site.server.daemon.kill()
    assert site.run("apply", check=False).code == 78
    site.both_hold({})


@pytest.mark.fault(20)
@ONLY_BIRD
def test_a_stopped_bird_keeps_nothing_dead_although_nobody_can_tell_what_is_drained(
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
    """Have all announced."""
    site.server.restart()
    site.run("apply")
    site.both_hold(announced)


@needs_users
@ONLY_BIRD
def test_a_folder_that_others_may_write_does_not_stop_withdraw(site: Site, announced: Held) -> None:
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
    # The folder of the file that BIRD includes, too, is one that nobody of ours can reach.
    site.dns1.path(RUN_DIR).rename(site.dns1.path("/run/aside"))
    planted(site.dns1.path("/run") / "anycast-routed", "/run/aside")
    done = site.run("withdraw", check=False)
    assert done.code == 77, done.err
    assert f"a link of user {DAEMON}'s" in done.err
    site.both_hold({})


@needs_users
@ONLY_BIRD
def test_root_is_led_nowhere_by_a_daemons_user_that_was_taken_over(
    site: Site, announced: Held
) -> None:
    dns1 = site.dns1
    victim = dns1.write("/etc/victim", "precious")
    before = victim.stat()
    run, state = dns1.path(RUN_DIR), dns1.path(STATE_DIR)
    for folder in (run, state):
        folder.mkdir()
        os.chown(folder, DAEMON, DAEMON)
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
    """Plant a link to a file of root's, as the daemon's user."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    os.lchown(path, DAEMON, DAEMON)


def garbage(path: Path) -> None:
    """Leave no text of ours."""
    path.write_bytes(b"\x00{[\xff" * 100)


def another_boot(path: Path) -> None:
    """Leave what an earlier boot has left there."""
    text = path.read_bytes() if path.is_file() else record.this_boot().encode()
    path.write_bytes(text.replace(record.this_boot().encode(), OTHER_BOOT.encode()))


def link(path: Path) -> None:
    """Leave a link to the very same content."""
    aside = path.with_name(f"{path.name}.aside")
    if path.is_file():
        shutil.copyfile(path, aside)
    path.unlink(missing_ok=True)
    path.symlink_to(aside.name)


def another_user(path: Path) -> None:
    """Let the very same content be another user's."""
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
            assert "history.jsonl" in watched.status().problems["journal"], "it is told at once"
        watched.no_update_for(0.2)
        assert not watched.updates(mark), kind
    watched.server.daemon.kill()
    watched.holds({})


@needs_users
def test_another_users_drains_are_neither_obeyed_nor_taken_for_none(
    lab: Lab, announced: Held
) -> None:
    watched = lay_out(lab, "bird", quick())
    watched.start_daemon()
    watched.holds(announced)
    orders = watched.file(STATE_DIR) / "drains.json"
    orders.write_text('{"schema": 1, "drained": []}')
    os.chown(orders, OTHER, OTHER)
    eventually(lambda: "drains" in watched.status().problems, why="it is told")
    assert "not a regular file of ours" in watched.status().problems["drains"]
    assert watched.table() == announced
    orders.unlink()
    eventually(lambda: "drains" not in watched.status().problems, why="it is over")
