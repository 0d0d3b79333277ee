"""What the package's own scripts decide, with BIRD: when the daemon starts, stays, or goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.machines.dns_host import CONFIG, OURS, DnsHost
from tests.support.watched_site import each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

SCRIPTS = f"/var/lib/dpkg/info/{OURS}"
POLICY = "/usr/sbin/policy-rc.d"
TIMER = "anycast-routed-apply.timer"


@pytest.fixture(scope="module")
def router_name() -> str:
    """One router is enough: these scripts look at none."""
    return "bird"


def test_a_router_that_comes_later_brings_its_group_to_the_daemon_that_runs(host: DnsHost) -> None:
    mark, before, machine = host.mark(), host.pid(), host.machine
    assert not _bird_comes(host)
    host.is_another(before)
    status = machine.read(f"/proc/{host.pid()}/status").splitlines()
    groups = next(line.split()[1:] for line in status if line.startswith("Groups:"))
    assert machine.run("getent", "group", "bird").out.split(":")[2] in groups
    assert not host.told(mark)


def test_a_daemon_whose_config_would_be_refused_goes_on_as_it_is(host: DnsHost) -> None:
    mark, before = host.mark(), host.pid()
    host.machine.write(CONFIG, "{}")
    said = _bird_comes(host)
    assert "not restarted, because the new version refuses the config file" in said
    assert f"{CONFIG}: " in said, "and it is told why"
    assert (host.pid(), host.state()) == (before, "active")
    assert not host.told(mark)


def test_the_config_that_is_judged_is_the_one_that_the_environment_of_the_daemon_names(
    host: DnsHost,
) -> None:
    own = "/etc/anycast-routed/own.json"
    host.machine.run("cp", CONFIG, own)
    host.drop_in(f"{OURS}.service", f"[Service]\nEnvironment=ANYCAST_ROUTED_CONFIG={own}\n")
    before = host.pid()
    host.systemctl("restart", OURS)
    host.is_another(before)
    host.machine.write(CONFIG, "{}")
    before = host.pid()
    assert not _bird_comes(host)
    host.is_another(before)
    host.machine.write(own, "{}")
    assert f"{own}: " in _bird_comes(host)


def test_a_daemon_that_has_failed_is_started_again_and_no_unit_is_left_failed(
    host: DnsHost,
) -> None:
    host.drop_in(f"{OURS}.service", "[Unit]\nOnFailure=\n[Service]\nRestart=no\n")
    host.systemctl("kill", "--signal=KILL", OURS)
    eventually(lambda: host.state() == "failed", within=10, why="it is not started again")
    _bird_comes(host)
    assert host.state() == "active"
    assert not host.machine.failed()


def test_an_upgrade_does_not_start_a_daemon_that_was_stopped(host: DnsHost) -> None:
    host.systemctl("stop", OURS)
    host.machine.install(host.packages.current, "--reinstall", "--allow-downgrades")
    assert host.state() == "inactive"


def test_a_removal_that_is_given_up_starts_again_what_it_has_stopped(
    host: DnsHost, announced: Held
) -> None:
    before = host.pid()
    # What dpkg does when a removal fails, without waiting for one that does.
    for script in (("prerm", "remove"), ("postinst", "abort-remove")):
        host.machine.run(f"{SCRIPTS}.{script[0]}", script[1], within=60)
    host.is_another(before)
    host.holds(announced, within=30)


def test_a_removal_withdraws_what_is_left_and_who_comes_back_is_started(
    host: DnsHost, announced: Held
) -> None:
    host.configure({**quick(), "daemon": {"on-stop": "keep"}})
    host.systemctl("reload", OURS)
    mark, machine = host.mark(), host.machine
    host.systemctl("disable", OURS)
    host.systemctl("enable", TIMER)
    # It forbids to start and to stop anything (invoke-rc.d(8)).
    machine.write(POLICY, "#!/bin/sh\nexit 101\n", mode=0o755)
    try:
        machine.run("apt-get", "remove", "-y", OURS, within=60)
    finally:
        machine.run("rm", POLICY)
    host.holds({})
    assert host.told(mark) == each("withdraw", announced)
    assert machine.run("pgrep", "-u", OURS, check=False).code == 1, "the daemon is gone"
    assert machine.read(CONFIG), "only a purge takes it away"
    machine.install(host.packages.current)
    assert (host.state(), host.state(TIMER)) == ("inactive", "active"), "the one that is enabled"
    host.holds(announced, within=30)
    host.systemctl("disable", TIMER)
    host.systemctl("enable", OURS)


def _bird_comes(host: DnsHost) -> str:
    """Have dpkg do what it does when it unpacks BIRD; return what our script complains of."""
    host.machine.run("deluser", "--quiet", OURS, "bird")
    host.machine.run("dpkg-trigger", "--by-package=bird2", "/usr/sbin/bird")
    return host.machine.run("dpkg", "--triggers-only", OURS, within=60).err
