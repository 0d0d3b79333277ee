"""The package on a real host, from its installation to the purge."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.machines.dns_host import CONFIG, GROUPS, ONLY_BIRD, OURS, DnsHost
from tests.support.machines.package import NEWER
from tests.support.watched_site import each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

QUIET = 6.0  # seconds
TIMER = "anycast-routed-apply.timer"
FRR_CONF = "/etc/frr/frr.conf"
SAVED = r"^ *network|^ip(v6)? route"


def test_from_the_package_to_the_first_announcement(bare: DnsHost, announced: Held) -> None:
    machine = bare.machine
    machine.install(bare.packages.current)
    assert bare.state() == "inactive", "without a config nothing starts"
    assert not machine.failed(), "and nothing fails"
    groups = machine.run("id", "-Gn", OURS).out.split()
    assert set(groups) == {OURS, GROUPS[bare.router_name]}
    assert not bare.peer.sessions()
    copies = machine.run(OURS, "setup", "--systemd", "--write", check=False)
    assert (copies.code, "change one by a drop-in" in copies.err) == (64, True), "none hides them"
    machine.write(CONFIG, json.dumps(quick()))
    if bare.router_name == "bird":
        machine.run(OURS, "setup", "--write")
        machine.run("birdc", "configure")
    bare.systemctl("start", OURS)
    bare.holds(announced, within=30)
    assert bare.state() == "active"


def test_the_daemon_is_an_ordinary_user_without_a_single_capability(host: DnsHost) -> None:
    status = host.machine.read(f"/proc/{host.pid()}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    user = host.machine.run("id", "-u", OURS).out.strip()
    assert set(fields["Uid"].split()) == {user} != {"0"}
    sets = [int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
    assert sets == [0, 0, 0, 0, 0]
    assert fields["NoNewPrivs"] == "1"
    said = {
        name: host.machine.show(OURS, name)
        for name in ("User", "CapabilityBoundingSet", "AmbientCapabilities", "NoNewPrivileges")
    }
    assert said == {
        "User": OURS,
        "CapabilityBoundingSet": "",
        "AmbientCapabilities": "",
        "NoNewPrivileges": "yes",
    }


def test_the_pulse_has_all_its_senses_though_unbound_is_another_user(host: DnsHost) -> None:
    def senses() -> dict[str, object]:
        text = host.machine.read("/run/anycast-routed/status.json")
        found: dict[str, object] = json.loads(text)["senses"]["dns"]
        return found

    whole = {"sockets": True, "processes": True, "answers": True, "detail": ""}
    eventually(lambda: senses() == whole, within=10, why="the pulse has all its senses")


def test_status_is_for_root_and_for_who_is_in_the_groups(host: DnsHost, announced: Held) -> None:
    machine, groups = host.machine, f"{OURS},{GROUPS[host.router_name]}"
    machine.run("useradd", "--groups", groups, "member")
    try:
        for user in ("root", "member"):
            done = machine.run(OURS, "status", user=user)
            assert all(f"+ {prefix} " in done.out for prefix in announced), done.out
            assert "the pulse does not have" not in done.out
    finally:
        machine.run("userdel", "member")
    other = machine.run(OURS, "status", user="nobody", check=False)
    assert f"the daemon runs: PID {host.pid()}" in other.out
    assert other.code != 0
    assert "may not be read by this user" in other.err


@pytest.mark.fault(31)
def test_neither_an_upgrade_nor_a_reinstallation_is_seen_by_the_peer(
    host: DnsHost, announced: Held
) -> None:
    machine, both = host.machine, each("withdraw", announced) + each("announce", announced)
    newer = machine.copy(host.packages.newer, "/var/cache")
    # In a large upgrade minutes go by between these two. The old daemon is at work on new files.
    mark = host.mark()
    machine.run("dpkg", "--unpack", newer, within=60)
    host.systemctl("restart", "unbound")
    eventually(lambda: host.told(mark) == both, within=15, why="it goes and returns")
    mark = quiet(host)
    configured, reinstalled = ("dpkg", "--configure", OURS), ("apt-get", "install", "--reinstall")
    for argv in (configured, (*reinstalled, "-y", newer)):
        before = host.pid()
        machine.run(*argv, within=120)
        host.is_another(before)
        assert not host.peer.since(mark), "not one UPDATE, and the sessions stay up"
        assert machine.run(OURS, "--version").out.split()[-1] == NEWER
    assert not machine.failed()
    eventually(lambda: host.state("anycast-routed-handover") == "inactive", within=10)
    assert not host.peer.since(mark)


def quiet(host: DnsHost) -> int:
    """Wait until FRR has nothing to say again, 5 s after its last route-map; return a mark."""

    def silent_for_long() -> bool:
        return time.monotonic() - host.peer.events()[-1].at > QUIET

    if host.router_name == "frr":
        eventually(silent_for_long, within=2 * QUIET, why="the peer is told nothing more")
    return host.mark()


def test_the_timer_does_it_without_the_daemon(host: DnsHost, announced: Held) -> None:
    host.systemctl("stop", OURS)
    host.holds({})
    host.drop_in(TIMER, "[Timer]\nOnUnitInactiveSec=\nOnUnitInactiveSec=2s\n")
    host.systemctl("start", TIMER)
    host.systemctl("start", "anycast-routed-apply")
    host.holds(announced)
    mark = host.mark()
    host.systemctl("stop", "unbound")
    host.holds({}, within=20)
    assert host.told(mark) == each("withdraw", announced)
    assert not host.machine.failed()


@ONLY_BIRD
@pytest.mark.fault(35)
def test_a_broken_config_is_named_in_the_journal_and_announces_nothing(host: DnsHost) -> None:
    host.systemctl("stop", OURS)
    host.holds({})
    mark, config = host.mark(), quick()
    config["anycast"]["localpref"] = "high"
    host.configure(config)
    assert host.machine.run("systemctl", "start", OURS, check=False).code != 0
    assert host.state() == "failed"
    assert "status=78/CONFIG" in host.machine.run("systemctl", "status", OURS, check=False).out
    fault = f"{CONFIG}: anycast.localpref: must be a number"
    assert fault in host.machine.journal("-u", OURS, "-n", "40")
    assert not host.told(mark)


def test_a_purge_leaves_nothing_announced_and_nothing_on_the_disk(
    host: DnsHost, announced: Held
) -> None:
    mark, machine = host.mark(), host.machine
    if host.router_name == "frr":
        machine.run("vtysh", "-c", "write memory")
        assert re.search(SAVED, machine.read(FRR_CONF), re.MULTILINE)
    host.purge()
    host.holds({})
    if host.router_name == "frr":
        # FRR would announce them from its next start on, for good.
        assert not re.search(SAVED, machine.read(FRR_CONF), re.MULTILINE)
    assert host.told(mark) == each("withdraw", announced)
    assert not host.is_installed()
    assert machine.run("getent", "passwd", OURS, check=False).code == 2
    assert machine.run("getent", "group", OURS, check=False).code == 2
    folders = ("/etc", "/usr", "/lib", "/var/lib", "/run")
    left = machine.run("find", *folders, "-name", f"*{OURS}*").out
    # What an operator has asked `setup` for is his.
    theirs = {"/etc/bird/bird.conf.before-anycast-routed", f"{FRR_CONF}.before-anycast-routed"}
    assert set(left.split()) <= theirs
    assert not machine.failed()
    assert OURS not in machine.run("systemctl", "list-unit-files").out
