"""Run verbs of anycast-routed one after the other, each in a child of a process that loaded all.

Reads a list of command lines as JSON from standard input, and writes exit codes and outputs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time

from anycast_routed.announce import render
from anycast_routed.cli.main import main
from anycast_routed.cli.program import program
from anycast_routed.observe import netlink_addresses
from anycast_routed.observe.checks import dns

RUN_FOREVER = {"daemon", "handover", "--watch"}
_SOON, _LATE = 1.0, 15.0  # seconds until SIGTERM


def run(arguments: list[str]) -> tuple[int, str]:
    """Return the exit code of a command line, and its output."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            code = 70
            try:
                code = main(arguments)
                sys.stdout.flush()
            finally:
                os._exit(code)
        code = await_end(child, _SOON if RUN_FOREVER & {*arguments} else _LATE)
        output.seek(0)
        return code, output.read().decode("utf-8", "replace")


def await_end(child: int, within: float) -> int:
    """Wait for a child, and end it by signals after so many seconds each."""
    for number in (signal.SIGTERM, signal.SIGKILL, 0):
        until = time.monotonic() + within
        while time.monotonic() < until:
            if (done := os.waitpid(child, os.WNOHANG))[0]:
                return os.waitstatus_to_exitcode(done[1])
            time.sleep(0.005)
        os.kill(child, number)
    raise TimeoutError


if __name__ == "__main__":
    render.load()
    program()
    loaded = (netlink_addresses, dns)
    json.dump([(one, *run(one)) for one in json.load(sys.stdin)], sys.stdout)
