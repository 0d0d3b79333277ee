"""Whose lock keeps another instance from the router, as far as no router is needed to tell."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251 - a process that holds a lock meanwhile; commands.run waits
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from anycast_routed.announce import owner
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.system import lock
from tests.support.users import DAEMON, acting_as, directory_for_all, needs_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from anycast_routed.system import lock
with lock.hold(Path(sys.argv[1]), "daemon"):
    print("held", flush=True)
    sys.stdin.readline()
"""
pytestmark = pytest.mark.fault(44)


def marked(directory: Path, mark: str) -> BirdSpeaker:
    """Return a BIRD whose file has this mark of the owner."""
    file = directory / "bird.conf"
    file.write_text(f'define anycast_routed_owner = "{mark}";\n')
    return BirdSpeaker(directory / "bird.ctl", file, run_dir=directory / "own")


@contextmanager
def held_by_root(directory: Path) -> Iterator[None]:
    """Let another process hold the lock of the directory."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv, pipe = [sys.executable, "-c", HOLD, str(directory)], subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=env) as made:
        assert made.stdout
        assert made.stdout.readline() == "held\n"
        yield
        made.kill()


@needs_users
def test_a_lock_of_root_counts_although_the_daemons_user_may_not_try_it() -> None:
    with directory_for_all() as directory:
        theirs = directory / "theirs"
        speaker = marked(directory, str(theirs))
        names = f"daemon, PID .* {theirs}, not"
        with (
            held_by_root(theirs),
            acting_as(DAEMON),
            pytest.raises(owner.OtherOwnerError, match=names),
        ):
            owner.refuse_file(speaker)
        with acting_as(DAEMON):
            owner.refuse_file(speaker)


def test_the_lock_of_a_directory_counts_only_if_nobody_else_can_write_to_it(
    tmp_path: Path,
) -> None:
    theirs = tmp_path / "with a space"
    speaker = marked(tmp_path, owner.mark(theirs))
    with lock.hold(theirs, "apply"):
        with pytest.raises(owner.OtherOwnerError, match="with a space"):
            owner.refuse_file(speaker)
        theirs.chmod(0o775)
        owner.refuse_file(speaker)


@pytest.mark.parametrize("mark", ["", "relative", "/run/\x1b[2J", "/", "/proc/self/fd/0", "/etc"])
def test_a_mark_that_names_no_run_directory_keeps_nobody_out(tmp_path: Path, mark: str) -> None:
    owner.refuse_file(marked(tmp_path, mark))
