"""One process at a time holds the lock of a run directory; `withdraw` goes on without it."""

from __future__ import annotations

import os
import stat
import subprocess  # noqa: TID251 - the test kills this process; commands.run can only wait for one
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from anycast_routed.announce.bird.protocols import held
from anycast_routed.errors import AccessDeniedError, CannotWriteError, LockedError
from anycast_routed.system import commands, lock
from tests.support.dns_site import Held, Site, lay_out
from tests.support.users import DAEMON, OTHER, acting_as, directory_for_all, needs_users
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab

HOLD = """
import sys
from pathlib import Path
from anycast_routed.system import lock
with lock.hold(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Yield a directory that other users can enter."""
    with directory_for_all() as made:
        yield made


@contextmanager
def holding(directory: Path, verb: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run another process that holds the lock until a line on its stdin ends it."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), verb],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    ) as other:
        assert other.stdin
        assert other.stdout
        try:
            assert other.stdout.readline() == "held\n"
            yield other, other.stdin
        finally:
            other.kill()


@pytest.mark.fault(32)
def test_a_second_process_is_refused_and_learns_the_holders_verb_and_pid(tmp_path: Path) -> None:
    directory = tmp_path / "run" / "directory"
    with holding(directory, "apply") as (other, _):
        with pytest.raises(LockedError) as caught, lock.hold(directory, "withdraw"):
            pytest.fail("two processes hold the lock")
        assert caught.value.message == f"another instance is at work: apply, PID {other.pid}"
        assert str(directory) in caught.value.hint
        assert lock.holder(directory) == lock.Holder(other.pid, "apply")
    assert lock.holder(directory) is None
    with lock.hold(directory, "withdraw") as held:
        assert lock.holder(directory) == lock.Holder(os.getpid(), "withdraw")
        assert not held.lost()


@pytest.mark.parametrize(
    "known", [None, "", "\n", "1 daemon", "1 1 daemon\n", "-1 0 daemon\n", "self \x1b[2J\n"]
)
def test_a_lock_with_a_missing_or_damaged_holder_file_excludes_others(
    tmp_path: Path, known: str | None
) -> None:
    with holding(tmp_path, "apply"):
        name = (tmp_path / "holder").read_text()
        (tmp_path / "holder").unlink()
        if known is not None:
            (tmp_path / "holder").write_text(known.replace("self", name.rpartition(" ")[0]))
        assert lock.holder(tmp_path) is None, "no other process is named as the holder"
        with pytest.raises(LockedError, match="unknown, PID"), lock.hold(tmp_path, "plan"):
            pytest.fail("two processes hold the lock")


def test_a_killed_holder_blocks_no_other_process(tmp_path: Path) -> None:
    with holding(tmp_path, "apply") as (other, _):
        other.kill()
        other.wait(5)
        assert (tmp_path / "lock").exists()
        assert lock.holder(tmp_path) is None
        with lock.hold(tmp_path, "withdraw"):
            pass


@pytest.mark.parametrize("name", ["lock", "holder", "."])
def test_a_user_that_cannot_write_to_the_directory_cannot_block_the_lock(name: str) -> None:
    # The directories of pytest are closed to other users.
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        directory.chmod(0o755)
        (directory / "lock").write_text(
            ""
        )  # with the mode of a usual umask: every user can read it
        with lock.hold(directory, "apply"):
            pass
        others = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        argv = [*others, "flock", str(directory / name), "cat"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as hostile:
            if name == "lock":
                assert hostile.wait(5) != 0, "the file cannot even be opened"
            else:
                eventually(lambda: is_taken(directory / name), why="the file is locked")
            assert lock.holder(directory) is None
            with lock.hold(directory, "daemon"):
                assert lock.holder(directory) == lock.Holder(os.getpid(), "daemon")
            hostile.kill()


def is_taken(path: Path) -> bool:
    """Return whether a process has locked this file or directory."""
    return commands.run(["flock", "--nonblock", str(path), "true"], within=5).code != 0


@needs_users
def test_a_user_that_cannot_try_the_lock_still_learns_its_holder() -> None:
    # The directories of pytest are closed to other users.
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        directory.chmod(0o755)
        with holding(directory, "daemon") as (other, _), acting_as(OTHER):
            with pytest.raises(PermissionError):
                (directory / "lock").read_bytes()
            assert lock.holder(directory) == lock.Holder(other.pid, "daemon")


@needs_users
def test_the_lock_file_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, DAEMON, OTHER)
    with lock.hold(tmp_path, "apply"):
        made = (tmp_path / "lock").stat()
        assert (made.st_uid, made.st_gid) == (DAEMON, OTHER), "root made the file for the daemon"
        assert stat.S_IMODE(made.st_mode) == 0o600


@needs_users
def test_the_lock_file_gets_its_name_after_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, DAEMON, OTHER)

    def kill(source: str, *_: object, **__: object) -> None:
        assert (tmp_path / source).stat().st_uid == DAEMON
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", kill)
        with pytest.raises(KeyboardInterrupt), lock.hold(tmp_path, "apply"):
            pytest.fail("the lock was taken")
    assert not list(tmp_path.iterdir())
    with lock.hold(tmp_path, "apply"):
        assert (tmp_path / "lock").stat().st_nlink == 1


def test_a_lock_file_made_by_another_process_in_the_same_moment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_late(*names: str, **options: Any) -> None:  # noqa: ANN401 - os.link's own
        (tmp_path / "lock").touch()
        link(*names, **options)

    monkeypatch.setattr(os, "link", link_late)
    with lock.hold(tmp_path, "apply") as held:
        assert not held.lost()
        assert {one.name for one in tmp_path.iterdir()} == {"lock", "holder"}


@needs_users
def test_a_lock_file_of_another_user_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "lock").touch(0o600)
    os.chown(tmp_path, DAEMON, DAEMON)
    with acting_as(DAEMON), pytest.raises(AccessDeniedError) as caught, lock.hold(tmp_path, "x"):
        pytest.fail("the lock was taken")
    assert "delete it" in caught.value.hint


def test_the_mode_of_a_file_with_a_second_name_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "other").chmod(0o644)
    (tmp_path / "lock").hardlink_to(tmp_path / "other")
    with lock.hold(tmp_path, "apply"):
        assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o644


@pytest.mark.parametrize("gone", ["file", "directory", "replaced file"])
def test_a_lock_whose_file_or_directory_is_gone_is_lost(tmp_path: Path, gone: str) -> None:
    directory = tmp_path / "run"
    with lock.hold(directory, "daemon") as held:
        if gone == "directory":
            directory.rename(tmp_path / "moved")
        else:
            (directory / "lock").unlink()
        if gone == "replaced file":
            (directory / "lock").write_text("")
        assert held.lost()
        with lock.hold(directory, "daemon") as second:
            assert held.lost()
            assert not second.lost()


def test_a_lock_file_replaced_during_the_wait_is_not_used(
    tmp_path: Path,
) -> None:
    with holding(tmp_path, "apply") as (other, _), ThreadPoolExecutor(1) as executor:
        before = (tmp_path / "lock").stat().st_ino

        def wait() -> int:
            with lock.hold(tmp_path, "withdraw", within=10) as held:
                return os.fstat(held.descriptor).st_ino

        waiting = executor.submit(wait)
        eventually(lambda: opened(tmp_path / "lock"), why="the thread waits for the lock")
        (tmp_path / "lock").rename(tmp_path / "before")
        other.kill()
        assert waiting.result(10) != before


def opened(path: Path) -> bool:
    """Return whether this process has the file open."""
    return any(one.samefile(path) for one in Path("/proc/self/fd").iterdir() if one.exists())


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock.hold(tmp_path, "apply"):
        raise ZeroDivisionError
    with lock.hold(tmp_path, "apply"):
        pass


def test_the_wait_for_the_lock_ends_at_its_deadline_or_when_it_is_free(tmp_path: Path) -> None:
    with holding(tmp_path, "apply") as (_, stdin):
        begun = time.monotonic()
        with pytest.raises(LockedError), lock.hold(tmp_path, "withdraw", within=0.3):
            pytest.fail("two processes hold the lock")
        assert time.monotonic() - begun >= 0.3
        stdin.write("end\n")
        stdin.flush()
        with lock.hold(tmp_path, "withdraw", within=10):
            pass


def test_a_file_at_the_directorys_path_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError, match="cannot write"), lock.hold(tmp_path / "file", "x"):
        pytest.fail("the lock was taken")


@pytest.mark.integration
def test_the_lock_works_on_a_read_only_file_system(lab: Lab) -> None:
    host, directory = lab.host("dns1"), "/run/anycast-routed"
    host.run("mkdir", directory)
    host.run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", directory)
    assert host.run("touch", f"{directory}/file", check=False).code != 0
    run = (sys.executable, "-c", HOLD, directory)
    assert host.run(*run, "apply").out == "held\n"
    script = f'mkfifo /run/go; {sys.executable} -c "$1" {directory} apply < /run/go'
    first = host.start("/bin/sh", "-c", script, "sh", HOLD, name="first")
    eventually(lambda: host.path("/run/go").is_fifo(), why="the first process is about to start")
    with host.path("/run/go").open("w"):
        eventually(lambda: "held" in first.log(), why="the first process holds the lock")
        second = host.run(*run, "withdraw", check=False)
        assert second.code != 0
        assert "another instance is at work: unknown, PID ?" in second.err
    assert first.wait(within=PATIENCE) == 0


@pytest.fixture
def site(lab: Lab, announced: Held) -> Site:
    """Announce the prefixes through BIRD."""
    made = lay_out(lab, "bird")
    made.run("apply")
    made.both_hold(announced)
    return made


@pytest.mark.integration
def test_withdraw_waits_for_the_lock_and_then_goes_on_without_it(site: Site) -> None:
    hung = site.dns1.start("flock", "/run/anycast-routed/lock", "sleep", "600", name="hung")
    eventually(lambda: is_locked(site), why="another process holds the lock")
    begun = time.monotonic()
    done = site.run("withdraw")
    assert time.monotonic() - begun >= 5
    assert "warning: going on without the lock" in done.err
    assert "another instance is at work" in done.err
    assert "- 10.10.10.10/32" in done.out
    assert hung.alive
    site.both_hold({})
    assert not held(site.dns1.read("/run/anycast-routed/bird.conf"))


@pytest.mark.integration
def test_withdraw_stops_waiting_as_soon_as_the_lock_is_free(site: Site) -> None:
    other = site.dns1.start("flock", "/run/anycast-routed/lock", "sleep", "600", name="other")
    eventually(lambda: is_locked(site), why="another process holds the lock")
    waiting = site.dns1.start(sys.executable, "-m", "anycast_routed", "withdraw", name="withdraw")
    eventually(lambda: is_waiting(waiting.pid), why="withdraw has the lock file open")
    other.kill(whole=True)
    assert waiting.wait(within=PATIENCE) == 0
    assert "warning" not in waiting.log()
    site.both_hold({})


def is_locked(site: Site) -> bool:
    """Return whether a process on dns1 holds the run directory's lock."""
    done = site.dns1.run("flock", "-n", "/run/anycast-routed/lock", "true", check=False)
    return done.code != 0


def is_waiting(pid: int) -> bool:
    """Return whether a process has the lock file open."""
    opened = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(one.readlink()).endswith("/run/anycast-routed/lock") for one in opened)
