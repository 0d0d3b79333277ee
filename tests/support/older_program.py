"""The program as it was in 0.1.0, from the history of the repository, and this one beside it."""

from __future__ import annotations

import fcntl
import io
import subprocess  # nosec B404  # noqa: TID251 - the archive is bytes; commands.run gives text
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.lab.programs import find
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from anycast_routed.lab import Daemon, Host
    from anycast_routed.system.commands import Completed

COMMIT = "208d905d1480393eb64ee31f639e93b0f76af2c1"
"""The last state of 0.1.0: one protocol of BIRD for each service, which is never disabled."""
_WHICH = "import anycast_routed; print(anycast_routed.__file__)"


@dataclass(frozen=True, slots=True)
class Program:
    """One version of the program, which runs in the hosts of a lab."""

    name: str
    tree: Path
    """The directory of its package; the current directory is the first that Python looks in."""

    def run(self, host: Host, *arguments: str, check: bool = True) -> Completed:
        """Run the program in a host to its end; return its exit code and output.

        Raises:
            LabError: it did not end in time, or with `check` its exit code is not 0.
        """
        return host.run(*self._argv(*arguments), within=PATIENCE, check=check)

    def start(self, host: Host, *arguments: str) -> Daemon:
        """Start the program in a host; return when the process exists."""
        return host.start(*self._argv(*arguments), name=f"anycast-routed-{self.name}")

    def is_itself_in(self, host: Host) -> bool:
        """Return whether the host runs the files of this tree, and not those of another one."""
        code = host.run(*self._in_tree("-c", _WHICH)).out.strip()
        return Path(code).is_relative_to(self.tree / "anycast_routed")

    def _argv(self, *arguments: str) -> tuple[str, ...]:
        return self._in_tree("-m", "anycast_routed", *arguments)

    def _in_tree(self, *arguments: str) -> tuple[str, ...]:
        return (find("env"), "-C", str(self.tree), sys.executable, *arguments)


NEW = Program("new", ROOT)


@cache
def old() -> Program:
    """Return 0.1.0, whose files are unpacked once for all runs."""
    # The hosts of another release have only this checkout, and see build/ in it.
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    tree = build / f"older-{COMMIT[:12]}"
    with (build / "older.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            with tempfile.TemporaryDirectory(dir=build) as unpacked:
                with tarfile.open(fileobj=io.BytesIO(_archive())) as archive:
                    archive.extractall(unpacked, filter="data")
                whole = Path(unpacked, "tree")
                whole.chmod(0o755)
                whole.rename(tree)
    return Program("old", tree)


def _archive() -> bytes:
    git = ("git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}")
    what = ("archive", "--prefix=tree/", COMMIT, "anycast_routed", "templates")
    done = subprocess.run([*git, *what], check=False, capture_output=True)
    if done.returncode != 0:
        message = (
            f"the history of this checkout has no commit {COMMIT}, which is 0.1.0: "
            f"git fetch --unshallow\n{done.stderr.decode('utf-8', 'replace').strip()}"
        )
        raise AssertionError(message)
    return done.stdout
