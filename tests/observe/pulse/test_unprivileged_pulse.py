"""The senses that a user without privileges has."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, dns, eventually
from tests.support import pulse_watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab.daemon import Daemon

pytestmark = pytest.mark.integration


@pytest.fixture
def start_pulse(host: Host) -> Callable[[], Daemon]:
    """Run the pulse of 127.0.0.1 as a user without capabilities; its log has the notices."""

    def start() -> Daemon:
        argv = (sys.executable, "-B", str(Path(pulse_watch.__file__)), "127.0.0.1")
        path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pulse = host.start(*argv, name="pulse", env=path)
        eventually(lambda: pulse.check() and "sockets=True" in pulse.log(), within=30)
        return pulse

    return start


def test_an_ordinary_user_learns_of_closed_sockets(
    host: Host, start_pulse: Callable[[], Daemon]
) -> None:
    answering = dns.unbound(host)
    pulse = start_pulse()
    assert "processes=False" in pulse.log(), "the server is root's, and in the root cgroup"
    answering.daemon.kill()
    eventually(lambda: "nothing listens any more" in pulse.log(), within=20)
    assert "refused" not in pulse.log()


@pytest.mark.fault(60)
def test_the_silence_of_unknown_processes_is_left_to_the_check(
    host: Host, start_pulse: Callable[[], Daemon]
) -> None:
    answering = dns.unbound(host)
    pulse = start_pulse()
    answering.daemon.pause()
    eventually(lambda: "it is silent: its processes are unknown" in pulse.log(), within=20)
    answering.daemon.kill()
    eventually(lambda: "nothing listens any more" in pulse.log(), within=20)
    assert pulse.log().count("Sign.DEAD") == 1


def test_an_ordinary_user_knows_the_processes_of_a_unit(
    host: Host, start_pulse: Callable[[], Daemon], cgroup: Path
) -> None:
    answering = dns.unbound(host)
    answering.daemon.kill()
    script = f"echo 0 > {cgroup}/cgroup.procs && exec {shlex.join(answering.daemon.argv)}"
    again = host.start("/bin/sh", "-c", script, name="unit")
    eventually(lambda: again.check() and host.listens(53, protocol="udp"), within=20)
    pulse = start_pulse()
    assert "processes=True" in pulse.log()
    again.pause()
    eventually(lambda: "is stopped" in pulse.log(), within=20)
    again.kill()
