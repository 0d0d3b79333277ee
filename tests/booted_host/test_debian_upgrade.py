"""The upgrade of a host from Debian 12 to Debian 13, with the service in place.

The packages come from the mirror of this machine.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually, releases
from tests.support.machines.debian import run_in
from tests.support.machines.dns_host import PROGRAM, DnsHost
from tests.support.machines.package import packages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.booted, pytest.mark.matrix]

# systemd-nspawn puts a boot ID of its own over that of the kernel. The sandbox of Debian 12 mounts
# /proc anew, without it, and that of Debian 13 with it. A real machine has one boot ID.
ONE_BOOT_ID = "while umount /proc/sys/kernel/random/boot_id 2>/dev/null; do :; done"
UPGRADE = ("apt-get", "-y", "-o", "Dpkg::Options::=--force-confold", "full-upgrade")
# Without the package of Debian 13, apt would remove it.
DOWNLOAD = """
sed -i s/bookworm/trixie/g /etc/apt/sources.list
apt-get -qq update
apt-get -qq -y --download-only full-upgrade >/dev/null
cp -R /var/lib/apt/lists "$1"
cp -R /var/cache/apt/archives "$1"
"""


@pytest.fixture(scope="module")
def debian13(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download the lists and the packages of Debian 13: the machines have no other network."""
    directory = tmp_path_factory.mktemp("debian13")
    argv = ("/bin/sh", "-euc", DOWNLOAD, "sh", str(directory))
    layers = releases.layers("bookworm", "machine")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    done = run_in(layers, argv, shared=[directory], env=env, within=900)
    assert done.code == 0, done.out + done.err
    return directory


def test_the_host_becomes_debian_13_and_the_service_goes_on(
    host: DnsHost, announced: Held, debian13: Path, tmp_path: Path
) -> None:
    machine, newer = host.machine, packages("trixie").current
    root = machine.host.path("/run/machine/root")
    for name, place in (("lists", "var/lib/apt/lists"), ("archives", "var/cache/apt/archives")):
        shutil.copytree(debian13 / name, root / place, dirs_exist_ok=True)
    machine.run("sed", "-i", "s/bookworm/trixie/g", "/etc/apt/sources.list")

    alone = machine.run(*UPGRADE, "--simulate").out
    assert re.search(rf"^Remv {PROGRAM} ", alone, re.MULTILINE), "so both are upgraded together"

    machine.run("/bin/sh", "-c", ONE_BOOT_ID)
    path, mark, before = machine.copy(newer, "/var/cache"), host.mark(), host.pid()
    said = machine.run(*UPGRADE, path, within=1800).out
    eventually(lambda: host.pid() not in {0, before}, within=90, why="the new daemon runs")
    host.holds(announced, within=60)
    messages = [(event.at, event.kind, event.prefix) for event in host.peer.since(mark)]
    kinds = Counter((kind, prefix) for _, kind, prefix in messages)
    journal = machine.run("journalctl", "-o", "short-monotonic", "--no-pager").out
    (tmp_path / "upgrade.log").write_text(f"{said}\n{journal}\n{messages}\n", "utf-8")
    # The package of unbound restarts it, and that of BIRD too. That of FRR leaves it running.
    assert all(kinds["withdraw", prefix] <= 1 for prefix in announced), messages
    assert kinds["down", ""] == (host.router_name == "bird"), messages
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", PROGRAM).out.endswith("+deb13")
    assert "trixie" in machine.read("/etc/os-release")
    # Until the reboot, the programs of Debian 13 speak to FRR 8.4.
    machine.run("systemctl", "stop", "unbound")
    host.holds({}, within=60)
    machine.run("systemctl", "start", "unbound")
    host.holds(announced, within=60)
    machine.reboot()
    host.holds(announced, within=60)
    assert not machine.failed()
