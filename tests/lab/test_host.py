"""A host of the lab: commands, private files and processes."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from anycast_routed.lab import Lab, LabError

pytestmark = pytest.mark.integration


def test_a_command_runs_in_the_host_and_returns_its_output(lab: Lab) -> None:
    host = lab.host("dns1")
    done = host.run("/bin/sh", "-c", "hostname; cat; echo warning >&2", stdin="hello")
    assert (done.out, done.err) == ("dns1\nhello", "warning\n")


def test_a_failed_command_raises_an_error_with_its_output(lab: Lab) -> None:
    host = lab.host("dns1")
    with pytest.raises(LabError, match="(?s)dns1: .*exit code 3.*the output"):
        host.run("/bin/sh", "-c", "echo the output; exit 3")
    assert host.run("/bin/sh", "-c", "exit 3", check=False).code == 3
    assert host.run("no-such-program", check=False).code == 127


def test_a_command_that_hangs_is_killed_at_its_deadline(lab: Lab) -> None:
    host = lab.host("dns1")
    began = time.monotonic()
    with pytest.raises(LabError, match="did not end within"):
        host.run("/bin/sh", "-c", "sleep 60", within=0.2)
    assert time.monotonic() - began < 30, "it did not wait for the 60 s of the command"


def test_files_of_a_host_are_private(lab: Lab) -> None:
    one, other = lab.host("one"), lab.host("other")
    for path in (
        "/run/bird/probe",
        "/etc/bird/bird.conf",
        "/etc/frr/frr.conf",
        "/etc/anycast-routed/probe",
        "/etc/probe",
        "/run/anycast-routed/bird.conf",
        "/var/run/anycast-routed/frr.conf",  # /var/run is a link to /run: it must not lead outside
        "/var/tmp/frr/probe",  # noqa: S108 - FRR writes there
    ):
        one.write(path, "of one")
        assert one.run("cat", path).out == one.read(path) == "of one"
        assert not other.path(path).exists()
        with contextlib.suppress(PermissionError):
            assert not Path(path).exists() or Path(path).read_text() != "of one"


def test_symbolic_links_are_resolved_inside_the_host(lab: Lab) -> None:
    host = lab.host("dns1")
    host.run("/bin/sh", "-c", "mkdir /run/a; ln -s ../../etc/x /run/a/rel; ln -s loop /run/loop")
    host.write("/run/a/rel", "of the host")
    assert host.run("cat", "/etc/x").out == "of the host"
    assert str(host.path("/../run/./a/../b")).endswith(f"/proc/{host.pid}/root/run/b")
    with pytest.raises(OSError, match="symbolic links"):
        host.read("/run/loop")


def test_a_host_sees_the_other_files_in_etc(lab: Lab) -> None:
    host = lab.host("dns1")
    assert "root:" in host.run("getent", "passwd", "root").out
    assert host.run("ls", "/etc/ssl/").out


def test_a_host_sees_only_its_own_processes(lab: Lab) -> None:
    host = lab.host("dns1")
    pids = host.run("/bin/sh", "-c", "echo /proc/[0-9]*").out.split()
    assert "/proc/1" in pids
    assert len(pids) < 6
