"""One at a time on one run folder, whatever becomes of the others; and `withdraw` goes on."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251 - a holder that is to be killed; process.run only waits
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest
from seed_site import Held, Site, lay_out

from anycast_routed import lock
from anycast_routed.errors import CannotWriteError, LockedError
from anycast_routed.lab import Lab, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys
from pathlib import Path
from anycast_routed import lock
with lock.hold(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""


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
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "held\n"
            yield process, process.stdin
        finally:
            process.kill()


def test_another_process_is_kept_out_and_told_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "folder"
    with holder(folder, "apply") as (process, _):
        begun = time.monotonic()
        with pytest.raises(LockedError) as caught, lock.hold(folder, "withdraw"):
            pytest.fail("two hold it")
        assert time.monotonic() - begun < 1
        assert caught.value.message == f"another instance is at work: apply, PID {process.pid}"
        assert str(folder) in caught.value.hint
        assert (folder / "lock").read_text() == f"{process.pid} apply\n"
    with lock.hold(folder, "withdraw"):
        assert (folder / "lock").read_text() == f"{os.getpid()} withdraw\n"


@pytest.mark.parametrize("known", [None, "", "\n"])
def test_a_holder_that_could_not_leave_its_name_keeps_others_out(
    tmp_path: Path, known: str | None
) -> None:
    with holder(tmp_path, "apply"):
        (tmp_path / "lock").unlink()
        if known is not None:
            (tmp_path / "lock").write_text(known)
        with pytest.raises(LockedError, match="another instance"), lock.hold(tmp_path, "plan"):
            pytest.fail("two hold it")


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    with holder(tmp_path, "apply") as (process, _):
        process.kill()
        process.wait(5)
        assert (tmp_path / "lock").exists()
        with lock.hold(tmp_path, "withdraw"):
            pass


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
    host.run("mount", "-t", "tmpfs", "-o", "ro", "none", folder)
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
    hung = site.dns1.start("flock", "/run/anycast-routed", "sleep", "600", name="hung")
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
    other = site.dns1.start("flock", "/run/anycast-routed", "sleep", "600", name="other")
    eventually(lambda: is_locked(site), within=5, why="another one holds the lock")
    waiting = site.dns1.start(sys.executable, "-m", "anycast_routed", "withdraw", name="withdraw")
    eventually(lambda: is_waiting(waiting.pid), within=4, why="it has the folder open")
    other.kill(whole=True)
    assert waiting.wait(within=10) == 0
    assert "warning" not in waiting.log()
    site.both_hold({}, within=2)


def is_locked(site: Site) -> bool:
    """Tell whether somebody on dns1 holds the run folder's lock."""
    done = site.dns1.run("flock", "-n", "/run/anycast-routed", "true", check=False)
    return done.code != 0


def is_waiting(pid: int) -> bool:
    """Tell whether this process has the run folder open."""
    opened = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(one.readlink()).endswith("/run/anycast-routed") for one in opened)
