"""A host of the lab: private files, commands, daemons, network."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from pathlib import Path

import pytest

from anycast_routed.lab import (
    Host,
    Lab,
    LabError,
    LabUnavailableError,
    LateError,
    eventually,
    programs,
    reports,
)

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


@pytest.mark.parametrize("name", ["", "Dns1", "a b", "../x", "-x"])
def test_an_invalid_host_name_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(LabError):
        lab.host(name)


def test_a_second_host_with_the_same_name_is_refused(lab: Lab) -> None:
    lab.host("dns1")
    with pytest.raises(LabError, match="already"):
        lab.host("dns1")


def test_addresses_are_added_with_labels_and_removed(dns1: Host) -> None:
    dns1.address("lo", "10.10.10.10/32", label="lo:dns1").address("lo", "fd00::53/128")
    assert "10.10.10.10/32 scope global lo:dns1" in dns1.ip("addr", "show", "lo")
    assert "tentative" not in dns1.ip("addr", "show", "lo")
    dns1.remove_address("lo", "10.10.10.10/32").remove_address("lo", "fd00::53/128")
    assert "global" not in dns1.ip("addr", "show", "lo")


def test_hosts_on_a_segment_reach_each_other_in_both_families(dns1: Host, upstream: Host) -> None:
    dns1.start("python3", "-c", _SERVER).wait_ready(
        lambda: dns1.listens(7), within=20, why="listens"
    )
    for address in ("172.17.2.1", "fd00:17:2::1"):
        assert upstream.run("python3", "-c", _CLIENT, address).out == "hello"


def test_a_cable_has_carrier_until_one_end_is_down(lab: Lab) -> None:
    one, other = lab.host("one"), lab.host("other")
    assert lab.link(one, other) == ("eth0", "eth0")
    assert lab.link(one, other, names=("wan", None)) == ("wan", "eth1")
    assert one.path("/proc/1/net/dev").read_text().count("eth") == 1
    eventually(lambda: "LOWER_UP" in one.ip("link", "show", "eth0"), within=20)
    other.down("eth0")
    eventually(lambda: "NO-CARRIER" in one.ip("link", "show", "eth0"), within=20)
    other.up("eth0")
    eventually(lambda: "LOWER_UP" in one.ip("link", "show", "eth0"), within=20)


def test_a_router_forwards_between_two_hosts(lab: Lab) -> None:
    left, router, right = lab.host("left"), lab.host("router"), lab.host("right")
    lab.link(left, router)
    lab.link(router, right)
    router.sysctl("net.ipv4.ip_forward", 1)
    left.address("eth0", "192.0.2.1/30")
    router.address("eth0", "192.0.2.2/30").address("eth1", "192.0.2.5/30")
    right.address("eth0", "192.0.2.6/30").route("default", "via", "192.0.2.5")
    left.route("default", "via", "192.0.2.2")
    right.start("python3", "-c", _SERVER).wait_ready(
        lambda: right.listens(7), within=20, why="listens"
    )
    assert left.run("python3", "-c", _CLIENT, "192.0.2.6").out == "hello"


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


def test_a_host_outlives_the_thread_that_made_it(lab: Lab) -> None:
    thread = threading.Thread(target=lambda: lab.host("dns1").start("sleep", "600"))
    thread.start()
    thread.join()
    (daemon,) = lab.hosts["dns1"].daemons
    with pytest.raises(LateError):
        daemon.wait(0.2)


def test_the_report_shows_logs_and_config_files(lab: Lab) -> None:
    host = lab.host("dns1")
    host.write("/etc/bird/bird.conf", "a line of the config\n")
    host.start("/bin/sh", "-c", "echo a line of the log", configs=["/etc/bird/bird.conf"]).wait(20)
    text = lab.report()
    assert "dns1/sh: ended with code 0" in text
    assert "a line of the log" in text
    assert "a line of the config" in text
    assert reports([1, "x", lab]) == text


def test_an_exception_in_a_lab_has_the_report_as_a_note() -> None:
    def fail() -> None:
        with Lab() as lab:
            lab.host("dns1").start("/bin/echo", "a line of the log").wait(20)
            raise ValueError

    with pytest.raises(ValueError, match="a line of the log") as caught:
        fail()
    assert "a line of the log" in caught.value.__notes__[0]


def test_the_error_for_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_SEARCH", "/nowhere")
    with pytest.raises(
        LabUnavailableError, match="(?s)bird is not installed.*apt-get install bird2"
    ):
        programs.find("bird")


def test_eventually_reports_the_last_value_or_exception() -> None:
    with pytest.raises(LateError, match=r"(?s)the list is full.*last value was \[\]"):
        eventually(list, within=0.05, why="the list is full")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        eventually(lambda: 1 // 0, within=0)
    assert eventually(lambda: 5, within=0) == 5


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


_SERVER = """
import socket
server = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, _ = server.accept()
    client.sendall(b"hello")
    client.close()
"""
_CLIENT = """
import socket, sys
sys.stdout.write(socket.create_connection((sys.argv[1], 7), 5).recv(9).decode())
"""
