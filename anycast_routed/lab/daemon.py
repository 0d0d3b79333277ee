"""A long-running process in a host of the lab: start it, signal it, wait for it, read its log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess  # nosec B404  # noqa: TID251 - a daemon outlives the call that starts it; commands.run waits
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from anycast_routed.lab.failures import LabError, LateError
from anycast_routed.lab.waiting import eventually
from anycast_routed.system.process_stat import stat_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


_SIGNALLED = 128


class Process(Protocol):
    """What a daemon needs of `subprocess.Popen`: the process that waits for its only child."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or None while the process is alive."""
        ...

    def wait(self, timeout: float) -> int:
        """Wait for the end at most so many seconds; raise subprocess.TimeoutExpired after that."""
        ...


class Daemon:
    """A foreground process in a host that writes its output to a log file.

    `process` waits for its only child, the daemon. `pid` is the PID of the daemon as seen from
    outside the host. Signals go to the daemon, and with `whole`
    also to its descendants (NSD answers queries in child processes).

    `configs` are the paths, inside the host, of the config files that the lab's report shows.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        process: Process,
        log: Path,
        configs: Sequence[str],
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.configs = tuple(configs)
        self._log = log
        self._process = process
        self.pid = eventually(self._child, within=30.0, every=0.001, why=f"{name} is started")

    def _child(self) -> int:
        if self._process.poll() is not None:
            return self._process.pid  # the daemon has already ended: `_signal` checks `alive`
        return next(iter(_children(self._process.pid)), 0)

    @property
    def alive(self) -> bool:
        """Whether the process still exists. A paused (SIGSTOP) process is alive."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code; -n after signal n; None while the process is alive."""
        code = self._process.poll()
        # The shell exits with 128 + n after signal n.
        return code if code is None or code <= _SIGNALLED else _SIGNALLED - code

    def kill(self, *, whole: bool = False) -> None:
        """Send SIGKILL and wait at most 30 s for the end, with `whole` of each process."""
        killed = self._stop_all() if whole else []
        self._signal(signal.SIGKILL, whole=whole)
        self.wait(30.0)
        eventually(lambda: all(map(_has_ended, killed)), within=30.0, every=0.001)

    def terminate(self, within: float = 5.0) -> int:
        """Send SIGTERM, wait at most `within` seconds for the end, and return the exit code.

        Raises:
            LateError: the process did not end in time.
        """
        self._signal(signal.SIGTERM)
        return self.wait(within)

    def signal(self, number: int) -> None:
        """Send the signal `number`, for example SIGHUP."""
        self._signal(number)

    def pause(self, *, whole: bool = False) -> None:
        """Send SIGSTOP: the process keeps its sockets and does nothing."""
        if whole:
            self._stop_all()
        else:
            self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT to the process and its descendants."""
        self._signal(signal.SIGCONT, whole=True)

    def wait(self, within: float) -> int:
        """Wait at most `within` seconds for the end, and return the exit code.

        Raises:
            LateError: the process did not end in time.
        """
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired as error:
            message = f"{self.name} did not end within {within:g} s"
            raise LateError(message) from error
        return self.code or 0

    def wait_ready(
        self, ready: Callable[[], object], *, within: float, every: float = 0.02, why: str
    ) -> None:
        """Wait at most `within` seconds until `ready()` is true. An exception means "not yet".

        `why` completes a sentence that begins with the name of the daemon: "listens".

        Raises:
            LabError: the process ended; the hint has the last 2000 characters of its log.
            LateError: the process is not ready in time.
        """
        reason = f"{self.name} {why}"
        eventually(lambda: not self.alive or ready(), within=within, every=every, why=reason)
        self.check()

    def descendants(self) -> list[int]:
        """Return the PIDs, as seen from outside the host, of all descendant processes."""
        return _descendants(self.pid)

    def log(self, after: int = 0) -> str:
        """Return the output of the process so far, without its first `after` bytes.

        The log is deleted when the host closes; then the result is "".
        """
        try:
            with self._log.open("rb") as file:
                file.seek(after)
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def check(self) -> bool:
        """Return True if the process is alive; call it in a wait that must end with the process.

        Raises:
            LabError: the process has ended; the hint has the last 2000 characters of its log.
        """
        if self.alive:
            return True
        message = f"{self.name} ended with code {self.code}"
        raise LabError(message, hint=self.log()[-2000:])

    def _stop_all(self) -> list[int]:
        """Stop the process and its descendants, also those that it starts meanwhile."""
        stopped: list[int] = []
        while new := [pid for pid in self._all() if pid not in stopped]:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped += new
        return stopped

    def _all(self) -> list[int]:
        return [self.pid, *self.descendants()] if self.alive else []

    def _signal(self, number: int, *, whole: bool = False) -> None:
        for pid in self._all() if whole else self._all()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _has_ended(pid: int) -> bool:
    """Return whether a process is gone; its parent may not have waited for it yet."""
    try:
        return stat_fields(f"/proc/{pid}/stat")[0] in "ZX"
    except (OSError, IndexError):
        return True


def start_process(
    command: Sequence[str], env: Mapping[str, str] | None, output: IO[bytes]
) -> Process:
    """Start a command in a session of its own, with its output in a file."""
    return subprocess.Popen(  # nosec B603
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        start_new_session=True,
    )


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def _descendants(pid: int) -> list[int]:
    return [descendant for child in _children(pid) for descendant in (child, *_descendants(child))]
