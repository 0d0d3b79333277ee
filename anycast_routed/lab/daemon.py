"""A long-running process in a host: start, signal, wait, log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess  # nosec B404  # noqa: TID251 - a daemon outlives the call that starts it; process.run only waits
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError, LateError
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_SIGNALLED = 128


class Daemon:
    """A foreground process in a host, its output in a log file.

    What we start is a shell that waits for the real process, its only child: `pid` is the real one,
    numbered as seen from outside the host. Signals go to that process, or with `whole` also to its
    descendants (NSD answers queries in such children).

    `configs` are the paths, inside the host, of the files that a report should show.
    """

    def __init__(  # noqa: PLR0913 - one value each, all by name
        self,
        name: str,
        argv: Sequence[str],
        *,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None,
        configs: Sequence[str],
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.configs = tuple(configs)
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # nosec B603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )
        self.pid = eventually(self._child, within=5.0, every=0.001, why=f"{name} is started")

    def _child(self) -> int:
        if self._process.poll() is not None:
            return self._process.pid  # it has come and gone: signals find it not alive
        return next(iter(_children(self._process.pid)), 0)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended. A stopped (paused) process is alive."""
        return self._process.poll() is None

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal, None while alive."""
        code = self._process.poll()
        # The shell says 128 + n for signal n.
        return code if code is None or code <= _SIGNALLED else _SIGNALLED - code

    def kill(self, *, whole: bool = False) -> None:
        """SIGKILL, and wait for the end (at most 5 s)."""
        self._signal(signal.SIGKILL, whole=whole)
        self.wait(5.0)

    def terminate(self, within: float = 5.0) -> int:
        """SIGTERM, wait at most `within` seconds, and return the exit code.

        Raises:
            LateError: it has not ended.
        """
        self._signal(signal.SIGTERM)
        return self.wait(within)

    def signal(self, number: int) -> None:
        """Send any signal to the process, for example SIGHUP."""
        self._signal(number)

    def pause(self, *, whole: bool = False) -> None:
        """SIGSTOP: the process lives, holds its sockets and does nothing."""
        self._signal(signal.SIGSTOP, whole=whole)

    def resume(self) -> None:
        """SIGCONT to the process and its descendants."""
        self._signal(signal.SIGCONT, whole=True)

    def wait(self, within: float) -> int:
        """Wait at most `within` seconds for the end, and return the exit code.

        Raises:
            LateError: it has not ended.
        """
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired as error:
            message = f"{self.name} has not ended within {within:g} s"
            raise LateError(message) from error
        return self.code or 0

    def descendants(self) -> list[int]:
        """Return the PIDs, as seen from outside, of the processes that it has made."""
        return _descendants(self.pid)

    def log(self, after: int = 0) -> str:
        """Return what the process has printed, but for the first `after` bytes of it.

        The log dies with the host.
        """
        try:
            with self._log.open("rb") as file:
                file.seek(after)
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def check(self) -> bool:
        """Return True while the process is alive: for waits that must not outlast it.

        Raises:
            LabError: it has ended; the message has the end of its log.
        """
        if self.alive:
            return True
        message = f"{self.name} ended with code {self.code}"
        raise LabError(message, hint=self.log()[-2000:])

    def _signal(self, number: int, *, whole: bool = False) -> None:
        if not self.alive:
            return
        for pid in [self.pid, *(self.descendants() if whole else [])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]


def _descendants(pid: int) -> list[int]:
    return [one for child in _children(pid) for one in (child, *_descendants(child))]
