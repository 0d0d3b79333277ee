"""A daemon in a host of the lab: signals, exit codes and logs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from anycast_routed.lab import Lab, LabError, LateError, eventually

pytestmark = pytest.mark.integration


def test_a_daemon_is_paused_resumed_and_terminated(lab: Lab) -> None:
    host = lab.host("dns1")
    daemon = host.start("/bin/sh", "-c", "echo begun; sleep 600 & wait", name="sleeper")
    eventually(lambda: daemon.log() == "begun\n", within=20)
    assert daemon.alive
    assert daemon.code is None
    daemon.pause(whole=True)
    eventually(lambda: _state(daemon.pid) == "T", within=20)
    assert daemon.alive
    daemon.resume()
    eventually(lambda: _state(daemon.pid) == "S", within=20)
    with pytest.raises(LateError, match="did not end"):
        daemon.wait(0.05)
    assert daemon.terminate(within=20) == -signal.SIGTERM
    assert not daemon.alive


def test_a_paused_daemon_is_killed_with_its_children(lab: Lab) -> None:
    host = lab.host("dns1")
    daemon = host.start("/bin/sh", "-c", "sleep 600 & echo $!; wait")
    child = eventually(lambda: daemon.log().strip(), within=20)
    daemon.pause(whole=True)
    daemon.kill(whole=True)
    assert daemon.code == -signal.SIGKILL
    eventually(lambda: not host.path(f"/proc/{child}").exists(), within=20)


def test_the_end_of_a_daemon_is_reported_with_its_log(lab: Lab) -> None:
    host = lab.host("dns1")
    daemon = host.start("/bin/sh", "-c", "echo a line of the log; exit 7")
    assert daemon.wait(20) == 7
    with pytest.raises(LabError, match="(?s)ended with code 7.*a line of the log"):
        daemon.check()


def test_a_second_daemon_with_the_same_name_has_a_separate_log(lab: Lab) -> None:
    host = lab.host("dns1")
    first, second = (host.start("/bin/echo", text, name="echo") for text in ("one", "two"))
    first.wait(20)
    second.wait(20)
    assert (first.name, second.name) == ("dns1/echo", "dns1/echo 2")
    assert (first.log(), second.log()) == ("one\n", "two\n")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
