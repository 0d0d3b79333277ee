"""Links, directories and files of another user are refused or ignored."""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import AnycastRoutedError, CannotWriteError, ConfigError
from anycast_routed.state import drain_orders, handover, journal, record, status_file
from anycast_routed.state.journal import Entry
from anycast_routed.system import directories, files, lock
from anycast_routed.system.directories import UntrustedError
from tests.support.records import record_of
from tests.support.users import DAEMON, OTHER, acting_as, directory_for_all, needs_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRY = Entry(1.0, "event", "", "", "something")
RECORD = record_of()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Yield a directory that other users can enter."""
    with directory_for_all() as made:
        yield made


def take_lock(where: Path) -> None:
    """Take the lock of a directory and release it."""
    with lock.hold(where, "apply"):
        pass


USES: dict[str, Callable[[Path], object]] = {
    "write": lambda where: files.write(where / "file", "ours"),
    "read": lambda where: files.read(where / "file"),
    "remove": lambda where: files.remove(where / "file"),
    "lock": take_lock,
    "record": lambda where: record.keep(where, RECORD),
    "journal": lambda where: journal.append(where, [ENTRY]),
    "drain": lambda where: drain_orders.order(where, drain_orders.Ordered("dns", "", 1.0)),
    "drains": lambda where: drain_orders.load(where, 1.0),
    "handover": lambda where: handover.mark(where, 1.0),
    "status": status_file.forget,
}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Make a directory that must stay unchanged, with a file of each name that the program uses."""
    made = tmp_path / "victim"
    made.mkdir()
    for name in ("file", "lock", "holder", "state.json", "history.jsonl", "drains.json"):
        (made / name).write_text("precious")
    return made


@pytest.fixture
def untouched(victim: Path) -> Iterator[None]:
    """Check at the end of the test that the victim directory is unchanged."""

    def contents() -> dict[str, tuple[str, int, int]]:
        return {
            one.name: (one.read_text(), one.stat().st_uid, one.stat().st_mode)
            for one in victim.iterdir()
        }

    before = contents()
    yield
    assert contents() == before


def planted(link: Path, target: str | Path, owner: int = OTHER) -> Path:
    """Make a link that belongs to another user."""
    link.symlink_to(target)
    os.lchown(link, owner, owner)
    return link


@needs_users
@pytest.mark.fault(34)
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("below", ["", "below"])
def test_a_link_planted_by_another_user_is_refused(victim: Path, use: str, below: str) -> None:
    where = planted(victim.with_name("run"), "victim") / below
    with pytest.raises(UntrustedError, match=f"the link run, which belongs to user {OTHER}"):
        USES[use](where)


@needs_users
@pytest.mark.fault(34)
@pytest.mark.usefixtures("untouched")
def test_root_follows_no_link_in_a_directory_of_the_daemons_user(victim: Path) -> None:
    run = victim.with_name("run")
    run.mkdir()
    os.chown(run, DAEMON, DAEMON)
    for file in victim.iterdir():
        planted(run / file.name, file, DAEMON)
    for use in USES.values():
        with suppress(AnycastRoutedError):
            use(run)
    assert files.read(run / "file") is None
    assert (run / "state.json").is_file()
    assert record.load(run) == RECORD


@pytest.mark.parametrize("target", ["real", "{}/real", "../{name}/real", "other/../real", "again"])
def test_links_of_this_user_are_followed(tmp_path: Path, target: str) -> None:
    """/var/run is such a link, of root."""
    (tmp_path / "real").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "again").symlink_to("real")
    (tmp_path / "link").symlink_to(target.format(tmp_path, name=tmp_path.name))
    files.write(tmp_path / "link" / "below" / "file", "ours")
    assert (tmp_path / "real" / "below" / "file").read_text() == "ours"
    assert files.read(tmp_path / "link" / "below" / "file") == "ours"


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(CannotWriteError, match="Too many levels of symbolic links"):
        files.write(tmp_path / "link" / "file", "ours")
    assert files.read(tmp_path / "link" / "file") is None


def test_a_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files.write(Path("file"), "ours")
    assert files.read(Path("../") / tmp_path.name / "file") == "ours"


@needs_users
@pytest.mark.fault(34)
@pytest.mark.usefixtures("untouched")
def test_a_link_that_is_replaced_all_the_time_is_never_followed(victim: Path) -> None:
    run, real, new = (victim.with_name(name) for name in ("run", "real", "new"))
    real.mkdir()
    run.symlink_to("real")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            planted(new, "victim").replace(run)
            new.symlink_to("real")
            new.replace(run)

    swapping = threading.Thread(target=swap)
    swapping.start()
    written = refused = 0
    until = time.monotonic() + 10
    try:
        while min(written, refused) < 30 and time.monotonic() < until:
            try:
                files.write(run / "file", "ours", durable=False)
                written += 1
            except UntrustedError:
                refused += 1
    finally:
        stop.set()
        swapping.join()
    assert min(written, refused) > 0, "writes through the link of either owner were tried"


@needs_users
@pytest.mark.fault(34)
@pytest.mark.usefixtures("untouched")
def test_a_handle_stays_on_its_directory_when_a_link_takes_its_place(victim: Path) -> None:
    run = victim.with_name("run")
    run.mkdir()
    with directories.opened(run) as handle:
        run.rename(run.with_name("gone"))
        planted(run, "victim")
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=handle))
        os.unlink("file", dir_fd=handle)


@needs_users
@pytest.mark.fault(34)
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777, 0o2770])
@pytest.mark.parametrize("user", [0, DAEMON])
def test_a_directory_that_other_users_can_write_to_is_refused(
    tmp_path: Path, mode: int, user: int
) -> None:
    run = run_dir_of(tmp_path, user, mode)
    with (
        acting_as(user),
        pytest.raises(UntrustedError, match=f"{run} may be written by") as caught,
        lock.hold(run, "apply"),
    ):
        pytest.fail("the directory was not refused")
    assert caught.value.exit_code == 77
    assert caught.value.hint == f"chmod go-w {run}"
    assert not list(run.iterdir())


@needs_users
@pytest.mark.parametrize("mode", [0o755, 0o700, 0o2755])
def test_a_directory_of_this_user_is_accepted(tmp_path: Path, mode: int) -> None:
    run = run_dir_of(tmp_path, DAEMON, mode)
    for user in (DAEMON, 0, DAEMON):
        with acting_as(user):
            take_lock(run)
            record.keep(run, RECORD)


@needs_users
@pytest.mark.fault(34)
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    run = run_dir_of(tmp_path, OTHER, 0o755)
    with acting_as(DAEMON), pytest.raises(UntrustedError, match=f"belongs to user {OTHER}"):
        take_lock(run)
    with acting_as(DAEMON), pytest.raises(UntrustedError, match=f"belongs to user {OTHER}"):
        directories.refuse_shared(run)
    directories.refuse_shared(tmp_path / "missing")


def run_dir_of(tmp_path: Path, owner: int, mode: int) -> Path:
    """Make a run directory with this owner and mode."""
    run = tmp_path / "run"
    run.mkdir()
    os.chown(run, owner, owner)
    run.chmod(mode)
    return run


@needs_users
def test_files_that_root_makes_belong_to_the_daemons_user(tmp_path: Path) -> None:
    run = run_dir_of(tmp_path, DAEMON, 0o755)
    before = os.umask(0o077)
    try:
        with lock.hold(run, "drain"):
            files.write(run / "bird.conf", "ours")
            record.keep(run, RECORD)
            journal.append(run, [ENTRY])
            drain_orders.order(run, drain_orders.Ordered("dns", "", 1.0))
    finally:
        os.umask(before)
    with acting_as(DAEMON), lock.hold(run, "daemon"):
        assert files.read(run / "bird.conf") == "ours"
        assert record.load(run) == RECORD
        assert drain_orders.load(run, 1.0)
        journal.append(run, [ENTRY])
        assert journal.load(run) == (ENTRY, ENTRY)


@needs_users
@pytest.mark.fault(34)
def test_files_of_another_user_are_ignored(tmp_path: Path) -> None:
    run = run_dir_of(tmp_path, DAEMON, 0o755)
    with acting_as(DAEMON):
        record.keep(run, RECORD)
        journal.append(run, [ENTRY])
        handover.mark(run, 60.0)
        drain_orders.order(run, drain_orders.Ordered("dns", "", 1.0))
        files.write(run / "status.json", "{}")
        assert handover.marked(run)
    for file in run.iterdir():
        os.chown(file, OTHER, OTHER)
    for user in (0, DAEMON):
        with acting_as(user):
            assert record.load(run) is None
            assert status_file.load(run) is None
            assert journal.load(run) == ()
            assert not handover.marked(run)
            assert files.read(run / "state.json"), "the file can be read, but is not trusted"
            with pytest.raises(ConfigError, match="belongs to another user"):
                drain_orders.load(run, 1.0)
            with pytest.raises(AnycastRoutedError, match="cannot write .*history.jsonl"):
                journal.append(run, [ENTRY])
    with acting_as(DAEMON):
        record.keep(run, RECORD)
        assert record.load(run) == RECORD, "the file of the other user was replaced"


@needs_users
@pytest.mark.fault(34)
@pytest.mark.usefixtures("untouched")
def test_a_file_with_a_second_name_is_not_written_to(victim: Path) -> None:
    state = victim.with_name("state")
    state.mkdir()
    (state / "history.jsonl").hardlink_to(victim / "history.jsonl")
    with pytest.raises(CannotWriteError, match="not a regular file with one name"):
        journal.append(state, [ENTRY])


@needs_users
@pytest.mark.fault(34)
def test_a_user_cannot_name_another_users_process_as_the_daemon(tmp_path: Path) -> None:
    """Otherwise `reload`, run by root, would send that process a signal."""
    run = run_dir_of(tmp_path, DAEMON, 0o755)
    with lock.hold(run, "daemon"):
        name = (run / "holder").read_text()
        assert lock.holder(run) == lock.Holder(os.getpid(), "daemon")
        (run / "holder").unlink()
        with acting_as(DAEMON):
            (run / "holder").write_text(name)
        assert (run / "holder").stat().st_uid == DAEMON
        assert lock.holder(run) is None
        with acting_as(DAEMON), pytest.raises(OSError, match="Operation not permitted"):
            os.chown(run / "holder", 0, 0)


def test_a_file_above_the_size_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "status.json").open("wb") as file:
        file.truncate(1 << 40)
    assert files.read(tmp_path / "status.json") is None
    assert stat.S_ISREG((tmp_path / "status.json").stat().st_mode)
