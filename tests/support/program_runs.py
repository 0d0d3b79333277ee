"""Run anycast-routed in the hosts of a lab, by one process that has loaded the program."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess  # nosec B404  # noqa: TID251 - the server outlives the call; commands.run waits
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from anycast_routed.lab import LabError
from anycast_routed.system.commands import Completed
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from anycast_routed.lab import Daemon, Host
    from tests.support.program_server import Request


_END_WITHIN = 30.0
_NO_CODE = 126
"""The exit code of a run whose end nobody has seen."""


def run(host: Host, *arguments: str, check: bool = True, within: float) -> Completed:
    """Run the program in a host to its end, as cron would; return its exit code and output.

    `within` is in seconds.

    Raises:
        LabError: the run did not end in time, or with `check` its exit code is not 0.
    """
    done = _run(host, arguments, within, step=0)
    if check and done.code != 0:
        message = f"{_name(host, arguments)}: exit code {done.code}"
        raise LabError(message, hint=f"{done.out}{done.err}".strip())
    return done


def is_killed_at(step: int, host: Host, *arguments: str, within: float) -> bool:
    """Run the program and kill it at this step; return False if it ended before: see die_at.py.

    Raises:
        LabError: the run did not end in time.
    """
    return _run(host, arguments, within, step).code == -signal.SIGKILL


def start(host: Host, *arguments: str) -> Daemon:
    """Start the program in a host; return when the process exists."""

    def begin(output: IO[bytes]) -> Run:
        return Run(_request(host, arguments, own_session=True), output, output)

    argv = (sys.executable, "-m", "anycast_routed", *arguments)
    return host.adopt(argv, begin, name="anycast-routed")


class Run:
    """A run of the program, as a process whose only child is the program."""

    def __init__(self, request: Request, out: IO[bytes], err: IO[bytes]) -> None:
        reading, writing = os.pipe()
        self._arguments = request["arguments"]
        self._reply = os.fdopen(reading, "rb")
        self._code: int | None = None
        with Path(os.devnull).open("rb") as nothing:
            given = [nothing.fileno(), out.fileno(), err.fileno(), writing]
            try:
                socket.send_fds(_server(), [json.dumps(request).encode()], given)
            finally:
                os.close(writing)
        first = self._reply.readline()
        if not first:
            message = "the process that has loaded the program has ended"
            raise LabError(message)
        self.pid = int(first)

    def poll(self) -> int | None:
        """Return the exit code, -n after signal n; None while the program runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def wait(self, timeout: float) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            TimeoutExpired: the program did not end within `timeout` seconds.
        """
        if self._code is None:
            ready = select.poll()
            ready.register(self._reply, select.POLLIN)
            if not ready.poll(timeout * 1000):
                raise subprocess.TimeoutExpired(self._arguments, timeout)
            self._code = int(self._reply.readline() or _NO_CODE)
            self._reply.close()
        return self._code


def _run(host: Host, arguments: tuple[str, ...], within: float, step: int) -> Completed:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = Run(_request(host, arguments, die_at=step), out, err)
        try:
            code = process.wait(within)
        except subprocess.TimeoutExpired as error:
            os.kill(process.pid, signal.SIGKILL)  # and so the program: its parent ends
            process.wait(_END_WITHIN)
            message = f"{_name(host, arguments)}: did not end within {within:g} s and was killed"
            raise LabError(message) from error
        return Completed(code, _text(out), _text(err))


def _request(
    host: Host, arguments: tuple[str, ...], *, own_session: bool = False, die_at: int = 0
) -> Request:
    return {
        "host": host.pid,
        "arguments": list(arguments),
        "environment": {**os.environ},
        "own_session": own_session,
        "die_at": die_at,
    }


def _name(host: Host, arguments: tuple[str, ...]) -> str:
    return f"{host.name}: {shlex.join(['anycast-routed', *arguments])}"


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


@cache
def _server() -> socket.socket:
    """Start the server; it ends when this process ends and so closes the socket."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.program_server", str(its.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"},  # as the program sets it
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    atexit.register(_end, ours, process)
    return ours


def _end(ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
    ours.close()
    process.wait(_END_WITHIN)
