"""The maintainer scripts of the package: when they start, restart, keep and stop the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.machines.dns_host import CONFIG, PROGRAM, DnsHost
from tests.support.watched_site import each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.booted]

SCRIPTS = f"/var/lib/dpkg/info/{PROGRAM}"
POLICY = "/usr/sbin/policy-rc.d"
TIMER = "anycast-routed-apply.timer"


@pytest.fixture(scope="module")
def router_name() -> str:
    """Return "bird": the scripts do the same for each router."""
    return "bird"


def test_the_installation_of_a_router_adds_its_group_to_the_running_daemon(host: DnsHost) -> None:
    mark, before, machine = host.mark(), host.pid(), host.machine
    assert not _trigger_by_bird(host)
    host.await_new_daemon(before)
    status = machine.read(f"/proc/{host.pid()}/status").splitlines()
    groups = next(line.split()[1:] for line in status if line.startswith("Groups:"))
    assert machine.run("getent", "group", "bird").out.split(":")[2] in groups
    assert not host.received(mark)


def test_a_daemon_whose_config_the_new_version_refuses_is_not_restarted(host: DnsHost) -> None:
    mark, before = host.mark(), host.pid()
    host.machine.write(CONFIG, "{}")
    errors = _trigger_by_bird(host)
    assert "not restarted, because the new version refuses the config file" in errors
    assert f"{CONFIG}: " in errors, "the message names the fault"
    assert (host.pid(), host.state()) == (before, "active")
    assert not host.received(mark)


def test_the_scripts_validate_the_config_file_in_the_environment_of_the_daemon(
    host: DnsHost,
) -> None:
    own = "/etc/anycast-routed/own.json"
    host.machine.run("cp", CONFIG, own)
    host.drop_in(f"{PROGRAM}.service", f"[Service]\nEnvironment=ANYCAST_ROUTED_CONFIG={own}\n")
    before = host.pid()
    host.systemctl("restart", PROGRAM)
    host.await_new_daemon(before)
    host.machine.write(CONFIG, "{}")
    before = host.pid()
    assert not _trigger_by_bird(host)
    host.await_new_daemon(before)
    host.machine.write(own, "{}")
    assert f"{own}: " in _trigger_by_bird(host)


def test_a_failed_daemon_is_started_again_and_no_failed_unit_is_left(host: DnsHost) -> None:
    host.drop_in(f"{PROGRAM}.service", "[Unit]\nOnFailure=\n[Service]\nRestart=no\n")
    host.systemctl("kill", "--signal=KILL", PROGRAM)
    eventually(lambda: host.state() == "failed", within=60, why="the daemon has failed")
    _trigger_by_bird(host)
    assert host.state() == "active"
    assert not host.machine.failed()


def test_an_upgrade_does_not_start_a_stopped_daemon(host: DnsHost) -> None:
    host.systemctl("stop", PROGRAM)
    host.machine.install(host.packages.current, "--reinstall", "--allow-downgrades")
    assert host.state() == "inactive"


def test_an_aborted_removal_starts_the_stopped_daemon_again(host: DnsHost, announced: Held) -> None:
    before = host.pid()
    # dpkg calls the scripts so when a removal fails.
    for script in (("prerm", "remove"), ("postinst", "abort-remove")):
        host.machine.run(f"{SCRIPTS}.{script[0]}", script[1], within=180)
    host.await_new_daemon(before)
    host.holds(announced, within=60)


def test_a_removal_withdraws_everything_and_a_new_installation_starts_the_enabled_unit(
    host: DnsHost, announced: Held
) -> None:
    host.configure({**quick(), "daemon": {"on-stop": "keep"}})
    host.systemctl("reload", PROGRAM)
    mark, machine = host.mark(), host.machine
    host.systemctl("disable", PROGRAM)
    host.systemctl("enable", TIMER)
    # This policy forbids to start and to stop services (invoke-rc.d(8)).
    machine.write(POLICY, "#!/bin/sh\nexit 101\n", mode=0o755)
    try:
        machine.run("apt-get", "remove", "-y", PROGRAM, within=180)
    finally:
        machine.run("rm", POLICY)
    host.holds({})
    assert host.received(mark) == each("withdraw", announced)
    assert machine.run("pgrep", "-u", PROGRAM, check=False).code == 1, "the daemon has ended"
    assert machine.read(CONFIG), "only a purge deletes the config file"
    machine.install(host.packages.current)
    assert (host.state(), host.state(TIMER)) == ("inactive", "active"), "the timer is enabled"
    host.holds(announced, within=60)
    host.systemctl("disable", TIMER)
    host.systemctl("enable", PROGRAM)


def _trigger_by_bird(host: DnsHost) -> str:
    """Run the trigger that dpkg runs when it installs BIRD; return the errors of the script."""
    host.machine.run("gpasswd", "--delete", PROGRAM, "bird")
    host.machine.run("dpkg-trigger", "--by-package=bird2", "/usr/sbin/bird")
    return host.machine.run("dpkg", "--triggers-only", PROGRAM, within=180).err
