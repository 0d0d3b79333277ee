"""The package on a booted host, from its installation to the purge."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.machines.dns_host import CONFIG, GROUPS, ONLY_BIRD, PROGRAM, DnsHost
from tests.support.machines.package import NEWER
from tests.support.watched_site import each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.booted]

TIMER = "anycast-routed-apply.timer"
FRR_CONF = "/etc/frr/frr.conf"
SAVED = r"^ *network|^ip(v6)? route"


def test_from_the_installation_to_the_first_announcement(
    host_without_package: DnsHost, announced: Held
) -> None:
    host, machine = host_without_package, host_without_package.machine
    machine.install(host.packages.current)
    assert host.state() == "inactive", "without a config file nothing starts"
    assert not machine.failed(), "and no unit fails"
    groups = machine.run("id", "-Gn", PROGRAM).out.split()
    assert set(groups) == {PROGRAM, GROUPS[host.router_name]}
    assert not host.peer.sessions()
    setup = machine.run(PROGRAM, "setup", "--systemd", "--write", check=False)
    assert setup.code == 64, "copies of the units would hide those of the package"
    assert "change one by a drop-in" in setup.err
    machine.write(CONFIG, json.dumps(quick()))
    if host.router_name == "bird":
        machine.run(PROGRAM, "setup", "--write")
        machine.run("birdc", "configure")
    host.systemctl("start", PROGRAM)
    host.holds(announced, within=60)
    assert host.state() == "active"


def test_the_daemon_runs_as_an_ordinary_user_without_any_capability(host: DnsHost) -> None:
    status = host.machine.read(f"/proc/{host.pid()}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = host.machine.run("id", "-u", PROGRAM).out.strip()
    assert set(fields["Uid"].split()) == {user} != {"0"}
    sets = [int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
    assert sets == [0, 0, 0, 0, 0]
    assert fields["NoNewPrivs"] == "1"
    properties = {
        name: host.machine.show(PROGRAM, name)
        for name in ("User", "CapabilityBoundingSet", "AmbientCapabilities", "NoNewPrivileges")
    }
    assert properties == {
        "User": PROGRAM,
        "CapabilityBoundingSet": "",
        "AmbientCapabilities": "",
        "NoNewPrivileges": "yes",
    }


def test_the_pulse_has_all_senses_although_unbound_runs_as_another_user(host: DnsHost) -> None:
    def senses() -> dict[str, object]:
        text = host.machine.read("/run/anycast-routed/status.json")
        found: dict[str, object] = json.loads(text)["senses"]["dns"]
        return found

    whole = {"sockets": True, "processes": True, "answers": True, "detail": ""}
    eventually(lambda: senses() == whole, within=30, why="the pulse has all senses")


def test_status_works_for_root_and_for_members_of_the_groups_only(
    host: DnsHost, announced: Held
) -> None:
    machine, groups = host.machine, f"{PROGRAM},{GROUPS[host.router_name]}"
    machine.run("useradd", "--groups", groups, "member")
    try:
        for user in ("root", "member"):
            done = machine.run(PROGRAM, "status", user=user)
            assert all(f"+ {prefix} " in done.out for prefix in announced), done.out
            assert "the pulse does not have" not in done.out
    finally:
        machine.run("userdel", "member")
    other = machine.run(PROGRAM, "status", user="nobody", check=False)
    assert f"the daemon runs: PID {host.pid()}" in other.out
    assert other.code != 0
    assert "may not be read by this user" in other.err


@pytest.mark.fault(31)
def test_the_peer_sees_neither_an_upgrade_nor_a_reinstallation(
    host: DnsHost, announced: Held
) -> None:
    machine, both = host.machine, each("withdraw", announced) + each("announce", announced)
    newer = machine.copy(host.packages.newer, "/var/cache")
    # A large upgrade takes minutes between these two steps: the old daemon runs with new files.
    mark = host.mark()
    machine.run("dpkg", "--unpack", newer, within=180)
    host.systemctl("restart", "unbound")
    returns = "the prefixes are withdrawn and announced again"
    eventually(lambda: host.received(mark) == both, within=60, why=returns)
    mark = host.mark()
    configure, reinstall = ("dpkg", "--configure", PROGRAM), ("apt-get", "install", "--reinstall")
    for argv in (configure, (*reinstall, "-y", newer)):
        before = host.pid()
        machine.run(*argv, within=300)
        host.await_new_daemon(before)
        assert not host.received(mark), "no change of a route, and the session stays up"
        assert machine.run(PROGRAM, "--version").out.split()[-1] == NEWER
    assert not machine.failed()
    eventually(lambda: host.state("anycast-routed-handover") == "inactive", within=60)
    assert not host.received(mark)


def test_the_timer_announces_and_withdraws_without_the_daemon(
    host: DnsHost, announced: Held
) -> None:
    host.systemctl("stop", PROGRAM)
    host.holds({})
    host.drop_in(TIMER, "[Timer]\nOnUnitInactiveSec=\nOnUnitInactiveSec=2s\n")
    host.systemctl("start", TIMER)
    host.systemctl("start", "anycast-routed-apply")
    host.holds(announced)
    mark = host.mark()
    host.systemctl("stop", "unbound")
    host.holds({}, within=60)
    assert host.received(mark) == each("withdraw", announced)
    assert not host.machine.failed()


@ONLY_BIRD
@pytest.mark.fault(35)
def test_the_journal_has_the_fault_of_a_config_and_nothing_is_announced(host: DnsHost) -> None:
    host.systemctl("stop", PROGRAM)
    host.holds({})
    mark, config = host.mark(), quick()
    config["anycast"]["localpref"] = "high"
    host.configure(config)
    assert host.machine.run("systemctl", "start", PROGRAM, check=False).code != 0
    assert host.state() == "failed"
    assert "status=78/CONFIG" in host.machine.run("systemctl", "status", PROGRAM, check=False).out
    fault = f"{CONFIG}: anycast.localpref: must be a number"
    assert fault in host.machine.journal("-u", PROGRAM, "-n", "40")
    assert not host.received(mark)


def test_a_purge_withdraws_everything_and_deletes_all_files(host: DnsHost, announced: Held) -> None:
    mark, machine = host.mark(), host.machine
    if host.router_name == "frr":
        machine.run("vtysh", "-c", "write memory")
        assert re.search(SAVED, machine.read(FRR_CONF), re.MULTILINE)
    host.purge()
    host.holds({})
    if host.router_name == "frr":
        # FRR would announce the saved networks from its next start on, without any check.
        assert not re.search(SAVED, machine.read(FRR_CONF), re.MULTILINE)
    assert host.received(mark) == each("withdraw", announced)
    assert not host.is_installed()
    assert machine.run("getent", "passwd", PROGRAM, check=False).code == 2
    assert machine.run("getent", "group", PROGRAM, check=False).code == 2
    directories = ("/etc", "/usr", "/lib", "/var/lib", "/run")
    left = machine.run("find", *directories, "-name", f"*{PROGRAM}*").out
    # Backups of the operator's own files stay.
    backups = {"/etc/bird/bird.conf.before-anycast-routed", f"{FRR_CONF}.before-anycast-routed"}
    assert set(left.split()) <= backups
    assert not machine.failed()
    assert PROGRAM not in machine.run("systemctl", "list-unit-files").out
