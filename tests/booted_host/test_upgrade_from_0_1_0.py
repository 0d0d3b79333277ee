"""The package of 0.1.0 is upgraded, and installed again: the peer receives no message."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.machines.dns_host import CONFIG, PROGRAM, DnsHost
from tests.support.machines.older_package import older_package
from tests.support.watched_site import quick

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.booted, pytest.mark.matrix]

NEW_MODULE = "*/anycast_routed/reconcile/after_proof.py"
"""A file that 0.1.0 does not have."""
AGAIN = 6.0
"""Seconds after which FRR 8.4.4 has sent its routes again: it does so 5 s after a new route-map."""
CYCLES = 7.0
"""Seconds in which the daemon runs two cycles."""


@pytest.mark.fault(31)
def test_the_peer_sees_neither_the_upgrade_of_the_package_nor_the_way_back(
    host_without_package: DnsHost, announced: Held, tmp_path: Path
) -> None:
    host, machine = host_without_package, host_without_package.machine
    older, current = older_package(host.packages.current, tmp_path), host.packages.current
    machine.install(older)
    assert machine.run("find", "/usr/lib", "-path", NEW_MODULE, check=False).out == ""
    machine.write(CONFIG, json.dumps(quick()))
    if host.router_name == "bird":
        machine.run(PROGRAM, "setup", "--write")
        machine.run("birdc", "configure")
    host.systemctl("start", PROGRAM)
    host.holds(announced, within=60)
    time.sleep(AGAIN)

    mark = host.mark()
    for package, is_new in ((current, True), (older, False)):
        before = host.pid()
        machine.run("dpkg", "--install", machine.copy(package, "/var/cache"), within=180)
        host.await_new_daemon(before)
        assert bool(machine.run("find", "/usr/lib", "-path", NEW_MODULE).out) == is_new
        time.sleep(CYCLES)
        assert not host.peer.without_end_of_rib(mark), package.name
    assert not machine.failed()
