"""Run anycast-routed in the hosts of a lab, each time in a child of this process, which loaded it.

Loading the program takes longer than most of its runs. A child differs from a new process in this:
all modules are loaded, of all verbs and both routers, the templates are read, and the hash seed is
that of the server. `program_runs` is the client.

program_server.py FD: requests arrive on the Unix socket FD, each with the descriptors of standard
input, output and error, and of a pipe for the reply: the PID to kill, then the exit code.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TypedDict

import anycast_routed
from anycast_routed.announce import render
from anycast_routed.announce.bird import speaker as bird_speaker
from anycast_routed.announce.frr import speaker as frr_speaker
from anycast_routed.cli import run
from anycast_routed.cli.program import program
from anycast_routed.config import json_schema
from anycast_routed.observe import netlink_addresses
from anycast_routed.observe.checks import dns
from tests.support import die_at

NAMESPACES = ("net", "mnt", "uts", "pid")
PROGRAM = str(Path(anycast_routed.__file__).with_name("__main__.py"))
LARGEST = 1 << 17
"""Octets of the largest request: the environment is in it."""
LOADED = (bird_speaker, frr_speaker, json_schema, netlink_addresses, dns)
"""What the program itself loads only when a verb needs it."""
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG: include/uapi/linux/prctl.h
_FIXED = {signal.SIGKILL, signal.SIGSTOP}
_FAILED = 126
_LIBC = ctypes.CDLL(None, use_errno=True)


class Request(TypedDict):
    """One run of the program."""

    host: int
    """The PID of the host's init process."""
    arguments: list[str]
    environment: dict[str, str]
    own_session: bool
    """Whether the process leads a session of its own, as a daemon does."""
    die_at: int
    """The step to be killed at, or 0: see die_at.py."""


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    _LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def enter(pid: int) -> None:
    """Enter the namespaces of the process `pid`; a PID namespace is for the next child."""
    opened = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    for one in opened:
        if _LIBC.setns(one, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        os.close(one)


def become(request: Request, given: list[int]) -> None:
    """Make this child the process that nsenter would have started."""
    die_with_parent()
    if request["own_session"]:
        os.setsid()
    for number, one in enumerate(given[:3]):
        os.dup2(one, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for number in signal.valid_signals() - _FIXED:
        if signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGPIPE:
            signal.signal(number, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [PROGRAM, *request["arguments"]]
    if request["die_at"]:
        die_at.install(request["die_at"])


def serve(requests: socket.socket) -> None:
    """Start a child for each request; return in the child that is to run the program."""
    while True:
        text, given, _, _ = socket.recv_fds(requests, LARGEST, 4)
        if not text:
            sys.exit(0)  # the tests have ended
        if os.fork() == 0:
            break
        for one in given:
            os.close(one)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    die_with_parent()
    request: Request = json.loads(text)
    os.write(given[3], b"%d\n" % os.getpid())
    try:
        enter(request["host"])
        child = os.fork()
        if child == 0:
            become(request, given)
            return
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except OSError as error:
        os.write(given[2], f"program_server: {error}\n".encode())
        code = _FAILED
    os.write(given[3], b"%d\n" % code)
    os._exit(0)


if __name__ == "__main__":
    render.load()
    program()
    serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(run())
