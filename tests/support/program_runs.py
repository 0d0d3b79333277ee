"""Run anycast-routed in the hosts of a lab, by one process that has loaded the program."""

from __future__ import annotations

import atexit
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
    from anycast_routed.lab import Host
    from tests.support.program_server import Request


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


def _run(host: Host, arguments: tuple[str, ...], within: float, step: int) -> Completed:
    request: Request = {
        "host": host.pid,
        "arguments": list(arguments),
        "environment": {**os.environ},
        "die_at": step,
    }
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _code(request, out, err, within, _name(host, arguments))
        return Completed(code, _text(out), _text(err))


def _name(host: Host, arguments: tuple[str, ...]) -> str:
    return f"{host.name}: {shlex.join(['anycast-routed', *arguments])}"


def _code(request: Request, out: IO[bytes], err: IO[bytes], within: float, name: str) -> int:
    """Send the request and return the exit code; a run that takes longer is killed."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reply, Path(os.devnull).open("rb") as nothing:
        given = [nothing.fileno(), out.fileno(), err.fileno(), writing]
        socket.send_fds(_server(), [json.dumps(request).encode()], given)
        os.close(writing)
        process = int(reply.readline())
        if not select.select([reply], [], [], within)[0]:
            os.kill(process, signal.SIGKILL)
            message = f"{name}: did not end within {within:g} s and was killed"
            raise LabError(message)
        return int(reply.readline())


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
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    atexit.register(_end, ours, process)
    return ours


def _end(ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
    ours.close()
    process.wait(30)
