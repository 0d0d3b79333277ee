"""What the package's own scripts decide, with BIRD: when the daemon starts, stays, or goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from host.dns_host import CONFIG, OURS, DnsHost
from watched import each, quick

if TYPE_CHECKING:
    from seed_site import Held

pytestmark = pytest.mark.integration


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
    assert "the daemon goes on as it is: this version refuses its config" in _bird_comes(host)
    assert (host.pid(), host.state()) == (before, "active")
    assert not host.told(mark)


def test_an_upgrade_does_not_start_a_daemon_that_was_stopped(host: DnsHost) -> None:
    host.systemctl("stop", OURS)
    host.machine.install(host.packages.current, "--reinstall", "--allow-downgrades")
    assert host.state() == "inactive"


def test_a_removal_withdraws_what_is_left_and_who_comes_back_is_started(
    host: DnsHost, announced: Held
) -> None:
    host.configure({**quick(), "daemon": {"on-stop": "keep"}})
    host.systemctl("reload", OURS)
    mark = host.mark()
    host.systemctl("stop", OURS)
    assert not host.told(mark)
    host.machine.run("apt-get", "remove", "-y", OURS, within=60)
    host.holds({})
    assert host.told(mark) == each("withdraw", announced)
    assert host.machine.read(CONFIG), "only a purge takes it away"
    host.machine.install(host.packages.current)
    host.holds(announced, within=30)


def _bird_comes(host: DnsHost) -> str:
    """Have dpkg do what it does when it unpacks BIRD; return what our script complains of."""
    host.machine.run("deluser", "--quiet", OURS, "bird")
    host.machine.run("dpkg-trigger", "--by-package=bird2", "/usr/sbin/bird")
    return host.machine.run("dpkg", "--triggers-only", OURS, within=60).err
