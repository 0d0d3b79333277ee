"""One at a time on one run folder, whatever becomes of the others; and `withdraw` goes on."""

from __future__ import annotations

import os
import stat
import subprocess  # noqa: TID251 - a holder that is to be killed; process.run only waits
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from anycast_routed.errors import AccessDeniedError, CannotWriteError, LockedError
from anycast_routed.lab import Lab, eventually
from anycast_routed.system import commands, lock
from tests.support.dns_site import Held, Site, lay_out
from tests.support.users import DAEMON, OTHER, acting_as, folder_for_all, needs_users

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Give a folder for other users too."""
    with folder_for_all() as made:
        yield made


@contextmanager
def holder(folder: Path, verb: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run another process that holds the lock until it is told to end."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), verb],
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
def test_another_process_is_kept_out_and_told_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "folder"
    with holder(folder, "apply") as (other, _):
        begun = time.monotonic()
        with pytest.raises(LockedError) as caught, lock.hold(folder, "withdraw"):
            pytest.fail("two hold it")
        assert time.monotonic() - begun < 1
        assert caught.value.message == f"another instance is at work: apply, PID {other.pid}"
        assert str(folder) in caught.value.hint
        assert lock.holder(folder) == lock.Holder(other.pid, "apply")
    assert lock.holder(folder) is None
    with lock.hold(folder, "withdraw") as held:
        assert lock.holder(folder) == lock.Holder(os.getpid(), "withdraw")
        assert not held.lost()


@pytest.mark.parametrize(
    "known", [None, "", "\n", "1 daemon", "1 1 daemon\n", "-1 0 daemon\n", "self \x1b[2J\n"]
)
def test_a_holder_that_could_not_leave_its_name_keeps_others_out(
    tmp_path: Path, known: str | None
) -> None:
    with holder(tmp_path, "apply"):
        name = (tmp_path / "holder").read_text()
        (tmp_path / "holder").unlink()
        if known is not None:
            (tmp_path / "holder").write_text(known.replace("self", name.rpartition(" ")[0]))
        assert lock.holder(tmp_path) is None, "nobody is taken for a stranger"
        with pytest.raises(LockedError, match="unknown, PID"), lock.hold(tmp_path, "plan"):
            pytest.fail("two hold it")


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    with holder(tmp_path, "apply") as (other, _):
        other.kill()
        other.wait(5)
        assert (tmp_path / "lock").exists()
        assert lock.holder(tmp_path) is None
        with lock.hold(tmp_path, "withdraw"):
            pass


@pytest.mark.parametrize("name", ["lock", "holder", "."])
def test_who_may_not_write_into_the_folder_cannot_hold_it_up(name: str) -> None:
    # pytest's own folder is closed to others.
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "lock").write_text("")  # as somebody's umask left it, open to all
        with lock.hold(folder, "apply"):
            pass
        others = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        argv = [*others, "flock", str(folder / name), "cat"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as hostile:
            if name == "lock":
                assert hostile.wait(5) != 0, "it cannot even be opened"
            else:
                eventually(lambda: is_taken(folder / name), within=5, why="it is taken")
            assert lock.holder(folder) is None
            with lock.hold(folder, "daemon"):
                assert lock.holder(folder) == lock.Holder(os.getpid(), "daemon")
            hostile.kill()


def is_taken(path: Path) -> bool:
    """Tell whether somebody has locked this file or folder."""
    return commands.run(["flock", "--nonblock", str(path), "true"], within=5).code != 0


@needs_users
def test_a_stranger_learns_who_holds_it_without_the_right_to_try() -> None:
    # pytest's own folder is closed to others.
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        with holder(folder, "daemon") as (other, _), acting_as(OTHER):
            with pytest.raises(PermissionError):
                (folder / "lock").read_bytes()
            assert lock.holder(folder) == lock.Holder(other.pid, "daemon")


@needs_users
def test_the_lock_is_for_who_may_write_into_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, DAEMON, OTHER)
    with lock.hold(tmp_path, "apply"):
        made = (tmp_path / "lock").stat()
        assert (made.st_uid, made.st_gid) == (DAEMON, OTHER), "made by root, for the daemon"
        assert stat.S_IMODE(made.st_mode) == 0o600


@needs_users
def test_it_has_its_name_when_it_is_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, DAEMON, OTHER)

    def killed(source: str, *_: object, **__: object) -> None:
        assert (tmp_path / source).stat().st_uid == DAEMON
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt), lock.hold(tmp_path, "apply"):
            pytest.fail("there is none")
    assert not list(tmp_path.iterdir())
    with lock.hold(tmp_path, "apply"):
        assert (tmp_path / "lock").stat().st_nlink == 1


def test_one_that_somebody_makes_in_the_same_moment_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(*names: str, **facts: Any) -> None:  # noqa: ANN401 - os.link's own
        (tmp_path / "lock").touch()
        link(*names, **facts)

    monkeypatch.setattr(os, "link", late)
    with lock.hold(tmp_path, "apply") as held:
        assert not held.lost()
        assert {one.name for one in tmp_path.iterdir()} == {"lock", "holder"}


@needs_users
def test_one_that_is_closed_to_us_is_said(tmp_path: Path) -> None:
    (tmp_path / "lock").touch(0o600)
    os.chown(tmp_path, DAEMON, DAEMON)
    with acting_as(DAEMON), pytest.raises(AccessDeniedError) as caught, lock.hold(tmp_path, "x"):
        pytest.fail("it is open to us")
    assert "delete it" in caught.value.hint


def test_a_file_of_another_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "other").chmod(0o644)
    (tmp_path / "lock").hardlink_to(tmp_path / "other")
    with lock.hold(tmp_path, "apply"):
        assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o644


@pytest.mark.parametrize("what", ["file", "folder", "replaced"])
def test_a_lock_that_keeps_nobody_out_any_more_is_lost(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "run"
    with lock.hold(folder, "daemon") as held:
        if what == "folder":
            folder.rename(tmp_path / "gone")
        else:
            (folder / "lock").unlink()
        if what == "replaced":
            (folder / "lock").write_text("")
        assert held.lost()
        with lock.hold(folder, "daemon") as second:
            assert held.lost()
            assert not second.lost()


def test_one_that_is_replaced_while_it_is_waited_for_is_not_taken_for_the_lock(
    tmp_path: Path,
) -> None:
    with holder(tmp_path, "apply") as (other, _), ThreadPoolExecutor(1) as beside:
        before = (tmp_path / "lock").stat().st_ino

        def wait() -> int:
            with lock.hold(tmp_path, "withdraw", within=10) as held:
                return os.fstat(held.descriptor).st_ino

        waiting = beside.submit(wait)
        eventually(lambda: opened(tmp_path / "lock"), within=5, why="it waits")
        (tmp_path / "lock").rename(tmp_path / "before")
        other.kill()
        assert waiting.result(10) != before


def opened(path: Path) -> bool:
    """Tell whether we have this file open."""
    return any(one.samefile(path) for one in Path("/proc/self/fd").iterdir() if one.exists())


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock.hold(tmp_path, "apply"):
        raise ZeroDivisionError
    with lock.hold(tmp_path, "apply"):
        pass


def test_it_is_waited_for_as_long_as_is_said(tmp_path: Path) -> None:
    with holder(tmp_path, "apply") as (_, commands):
        begun = time.monotonic()
        with pytest.raises(LockedError), lock.hold(tmp_path, "withdraw", within=0.3):
            pytest.fail("two hold it")
        assert time.monotonic() - begun >= 0.3
        commands.write("end\n")
        commands.flush()
        with lock.hold(tmp_path, "withdraw", within=10):
            pass
        assert time.monotonic() - begun < 10


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWriteError, match="cannot write"), lock.hold(tmp_path / "file", "x"):
        pytest.fail("a file is no folder")


@pytest.mark.integration
def test_it_works_where_nothing_can_be_written(lab: Lab) -> None:
    host, folder = lab.host("dns1"), "/run/anycast-routed"
    host.run("mkdir", folder)
    host.run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", folder)
    assert host.run("touch", f"{folder}/file", check=False).code != 0
    run = (sys.executable, "-c", HOLD, folder)
    assert host.run(*run, "apply").out == "held\n"
    script = f'mkfifo /run/go; {sys.executable} -c "$1" {folder} apply < /run/go'
    first = host.start("/bin/sh", "-c", script, "sh", HOLD, name="first")
    eventually(lambda: host.path("/run/go").is_fifo(), within=5, why="it is about to start")
    with host.path("/run/go").open("w"):
        eventually(lambda: "held" in first.log(), within=10, why="the first one holds it")
        second = host.run(*run, "withdraw", check=False)
        assert second.code != 0
        assert "another instance is at work: unknown, PID ?" in second.err
    assert first.wait(within=5) == 0


@pytest.fixture
def site(lab: Lab, announced: Held) -> Site:
    """Announce by BIRD."""
    made = lay_out(lab, "bird")
    made.run("apply")
    made.both_hold(announced)
    return made


@pytest.mark.integration
def test_withdraw_waits_and_then_withdraws_without_the_lock(site: Site) -> None:
    hung = site.dns1.start("flock", "/run/anycast-routed/lock", "sleep", "600", name="hung")
    eventually(lambda: is_locked(site), within=5, why="another one holds the lock")
    begun = time.monotonic()
    done = site.run("withdraw")
    assert 5 <= time.monotonic() - begun < 12
    assert "warning: going on without the lock" in done.err
    assert "another instance is at work" in done.err
    assert "- 10.10.10.10/32" in done.out
    assert hung.alive
    site.both_hold({}, within=2)
    assert " route " not in site.dns1.read("/run/anycast-routed/bird.conf")


@pytest.mark.integration
def test_withdraw_ends_its_wait_as_soon_as_the_other_ends(site: Site) -> None:
    other = site.dns1.start("flock", "/run/anycast-routed/lock", "sleep", "600", name="other")
    eventually(lambda: is_locked(site), within=5, why="another one holds the lock")
    waiting = site.dns1.start(sys.executable, "-m", "anycast_routed", "withdraw", name="withdraw")
    eventually(lambda: is_waiting(waiting.pid), within=4, why="it has the file open")
    other.kill(whole=True)
    assert waiting.wait(within=10) == 0
    assert "warning" not in waiting.log()
    site.both_hold({}, within=2)


def is_locked(site: Site) -> bool:
    """Tell whether somebody on dns1 holds the run folder's lock."""
    done = site.dns1.run("flock", "-n", "/run/anycast-routed/lock", "true", check=False)
    return done.code != 0


def is_waiting(pid: int) -> bool:
    """Tell whether this process has the lock's file open."""
    opened = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(one.readlink()).endswith("/run/anycast-routed/lock") for one in opened)
