"""Files are written whole or not at all; only regular files are read."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.errors import CannotWriteError
from anycast_routed.system import commands, files
from tests.support.users import ROOT

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "old\n", "new\n" * 1000
READ = """
import sys
from pathlib import Path
from anycast_routed.system import files
print(files.read(Path(sys.argv[1])))
"""
# A limit on the size of files interrupts the write, as a full disk does.
WRITE_LIMITED = """
import resource, sys
from pathlib import Path
from anycast_routed.system import files
from anycast_routed.errors import CannotWriteError
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    files.write(Path(sys.argv[1]), "new" * 1000, durable=sys.argv[2] == "durable")
except CannotWriteError as error:
    print(error.message)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a file in an empty directory."""
    return tmp_path / "file"


def python(source: str, *arguments: str) -> str:
    """Run Python code in a new process, which may have limits of its own and may block."""
    paths = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": paths}
    done = commands.run([sys.executable, "-c", source, *arguments], within=20, env=env)
    assert done.code == 0, done.err
    return done.out.strip()


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "directory" / "file"
    assert files.read(file) is None
    files.write(file, f"{NEW}\udcff\n")
    assert file.read_bytes() == NEW.encode() + b"\xff\n"
    assert files.read(file) == f"{NEW}\udcff\n"
    assert files.read(file / "below") is None
    files.remove(file)
    files.remove(file)
    assert not file.exists()


def test_reading_a_fifo_returns_none_and_does_not_block(file: Path) -> None:
    os.mkfifo(file)
    assert python(READ, str(file)) == "None"


def test_the_content_of_a_fifo_is_not_read(file: Path) -> None:
    os.mkfifo(file)
    both_ends = os.open(file, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(both_ends, b"content")
        assert python(READ, str(file)) == "None"
    finally:
        os.close(both_ends)


def test_a_link_is_not_read(file: Path) -> None:
    target = file.with_name("target")
    target.write_text(OLD)
    file.symlink_to(target)
    assert files.read(file) is None


def test_a_directory_is_not_read(tmp_path: Path) -> None:
    assert files.read(tmp_path) is None


@pytest.mark.parametrize("to", ["target", "file"])
def test_a_link_is_replaced_and_its_target_is_not_written(file: Path, to: str) -> None:
    target = file.with_name("target")
    target.write_text(OLD)
    file.symlink_to(to)
    files.write(file, NEW)
    assert not file.is_symlink()
    assert (file.read_text(), target.read_text()) == (NEW, OLD)


def test_a_link_at_the_temporary_name_is_not_followed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    target = file.with_name("target")
    file.with_name(".file.guessed").symlink_to(target)
    with pytest.raises(CannotWriteError):
        files.write(file, NEW)
    assert not target.exists()
    assert not file.exists()


@pytest.mark.parametrize("durable", [True, False])
def test_the_content_is_synchronised_before_the_rename(
    file: Path, monkeypatch: pytest.MonkeyPatch, *, durable: bool
) -> None:
    file.write_text(OLD)
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synchronise(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        whole = os.fstat(descriptor).st_size == len(NEW)
        steps.append("directory" if is_directory else "content" if whole else "part of the content")
        fsync(descriptor)

    def replace(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        assert src_dir_fd == dst_dir_fd, "a rename within one directory"
        assert file.read_text() == OLD
        whole = file.with_name(source).read_text() == NEW
        steps.append("name" if whole else "name of a part")
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(os, "replace", replace)
    files.write(file, NEW, durable=durable)
    assert steps == (["content", "name", "directory"] if durable else ["name"])


@pytest.mark.parametrize("durable", ["durable", "brief"])
@pytest.mark.parametrize("old", [OLD, None])
def test_an_interrupted_write_leaves_the_old_content(
    file: Path, old: str | None, durable: str
) -> None:
    if old is not None:
        file.write_text(old)
    output = python(WRITE_LIMITED, str(file), durable)
    assert output == f"cannot write {file}: File too large"
    assert files.read(file) == old
    assert [path.name for path in file.parent.iterdir()] == ([] if old is None else ["file"])


def test_a_file_larger_than_the_limit_is_not_read(file: Path) -> None:
    file.write_text("12345")
    assert files.read(file, most=5) == files.read_own(file, most=5) == "12345"
    assert files.read(file, most=4) is None
    assert files.read_own(file, most=4) is None


def test_the_hint_for_a_read_only_file_system_names_the_unit_setting(file: Path) -> None:
    """`ProtectSystem=strict` in a systemd unit makes the file system read-only."""
    error = files.cannot_write(file, OSError(errno.EROFS, "Read-only file system"))
    assert error.hint.endswith(f"ReadWritePaths={file.parent}")


def test_a_directory_at_the_path_is_an_error_and_no_temporary_file_stays(file: Path) -> None:
    file.mkdir()
    with pytest.raises(CannotWriteError, match=f"cannot write {file}"):
        files.write(file, NEW)
    with pytest.raises(CannotWriteError, match=f"cannot write {file}"):
        files.remove(file)
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_mode_and_owner_do_not_depend_on_the_umask(file: Path) -> None:
    owner = (1234, 4321) if ROOT else (os.geteuid(), os.getegid())
    before = os.umask(0o077)
    try:
        files.write(file, NEW, mode=0o664, owner=owner)
        given = file.stat()
        files.write(file, NEW, mode=0o644)
        own = file.stat()
        files.write(file.parent / "made" / "file", NEW)
    finally:
        os.umask(before)
    assert (given.st_uid, given.st_gid, stat.S_IMODE(given.st_mode)) == (*owner, 0o664)
    assert (own.st_uid, own.st_gid) == (os.geteuid(), os.getegid())
    assert stat.S_IMODE((file.parent / "made").stat().st_mode) == 0o755
    assert stat.S_IMODE(own.st_mode) == 0o644, (
        "BIRD and the daemon, which are other users, can read it"
    )
