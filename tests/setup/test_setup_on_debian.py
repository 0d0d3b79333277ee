"""`setup` on a Debian without our package, as after `pipx install`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab
from tests.support.machines.machine import Machine
from tests.support.machines.package import packages
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.booted]

UNITS = "/etc/systemd/system"
BIRD_CONF = "/etc/bird/bird.conf"
CONFIG = """\
[dns]
ip = "127.0.0.1"
query = "google.com"
[anycast]
interface = "lo"
prefix = "dns"
nexthop-interface = "eth0"
"""
ELSEWHERE = """
[router]
include-file = "/run/elsewhere/bird.conf"
[daemon]
run-dir = "/run/elsewhere"
state-dir = "/srv/anycast/state"
"""
DROP_IN = """\
[Service]
ReadWritePaths=/srv/anycast
RuntimeDirectory=elsewhere
"""
ZONE = """\
server:
  local-zone: "google.com." static
  local-data: "google.com. SOA localhost. nobody.invalid. 1 2 3 4 5"
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Boot a machine with the program only: without its user, directories and units."""
    with Lab() as lab:
        host, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", host, peer)
        with Machine(host) as made:
            made.network(
                "address add 172.17.2.1/24 dev eth0",
                "address add 10.10.10.10/32 dev lo label lo:dns1",
            )
            made.boot()
            package = made.copy(packages().current, "/var/cache")
            made.run("dpkg-deb", "-x", package, "/var/cache/package")
            made.run("cp", "-R", "/var/cache/package/usr", "/")
            made.run("/bin/sh", "-c", "rm -f /usr/lib/systemd/system/anycast-routed*")
            # Compile the program once, as pip does; otherwise each run compiles it.
            library = "PYTHONPATH=/usr/lib/anycast-routed"
            made.run("env", library, "python3", "-S", "-m", "anycast_routed", "setup", "--systemd")
            yield made


def said(machine: Machine, *options: str, code: int = 0, user: str = "root") -> str:
    done = machine.run("anycast-routed", "setup", *options, user=user, check=False)
    assert done.code == code, done.err
    return done.out + done.err


def serve(machine: Machine, config: str) -> str:
    """Start BIRD and a DNS server, and write our config; return the bird.conf before `setup`."""
    machine.write("/etc/anycast-routed/config.toml", config)
    machine.write("/etc/unbound/unbound.conf.d/zone.conf", ZONE)
    stock = machine.read(BIRD_CONF).replace("#router id 198.51.100.1", "router id 172.17.2.1")
    machine.write(BIRD_CONF, stock, mode=0o640)
    machine.run("chown", "bird:bird", BIRD_CONF)
    machine.run("systemctl", "start", "bird", "unbound")
    return stock


def announce(machine: Machine) -> None:
    """Start the daemon, and wait until BIRD holds the prefix."""
    machine.run("birdc", "configure")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "anycast-routed")
    assert machine.show("anycast-routed", "ActiveState") == "active"
    eventually(
        lambda: "10.10.10.10/32" in machine.run("birdc", "show route").out,
        why="BIRD holds what is announced",
    )


def test_setup_does_what_the_package_does_and_remove_undoes_it(machine: Machine) -> None:
    shown = said(machine, "--systemd")
    assert "+ systemd-sysusers /etc/sysusers.d/anycast-routed.conf" in shown
    assert "+ install -d -m 0750 -o root -g anycast-routed /etc/anycast-routed" in shown
    assert "nothing was written" in shown
    assert machine.run("getent", "passwd", "anycast-routed", check=False).code != 0
    assert "with sudo" in said(machine, "--systemd", "--write", code=77, user="nobody")

    assert "systemctl enable --now anycast-routed" in said(machine, "--systemd", "--write")
    groups = machine.run("id", "-nG", "anycast-routed").out.split()
    assert set(groups) == {"anycast-routed", "bird", "frrvty"}
    owner = machine.run("stat", "-c", "%a %U:%G", "/etc/anycast-routed").out
    assert owner == "750 root:anycast-routed\n"
    assert said(machine, "--systemd", "--write") == "nothing is missing\n"

    stock = serve(machine, CONFIG)
    assert "now: birdc configure" in said(machine, "--write")
    announce(machine)

    assert "- /etc/systemd/system/anycast-routed.service" in said(machine, "--remove")
    assert "left to you" in said(machine, "--remove", "--write")
    assert machine.show("anycast-routed", "ActiveState") == "inactive"
    assert "anycast-routed" not in machine.run("find", UNITS, "/etc/sysusers.d").out
    assert machine.read(BIRD_CONF) == stock
    assert machine.run("stat", "-c", "%a %U", BIRD_CONF).out == "640 bird\n"
    assert "include" in machine.read(f"{BIRD_CONF}.with-anycast-routed")
    machine.run("birdc", "configure")
    assert "10.10.10.10/32" not in machine.run("birdc", "show route").out
    assert machine.read("/etc/anycast-routed/config.toml") == CONFIG
    assert said(machine, "--remove", "--write") == "there is nothing to remove\n"


def test_setup_opens_the_sandbox_for_directories_elsewhere(machine: Machine) -> None:
    said(machine, "--systemd", "--write")
    home = '[daemon]\nstate-dir = "/home/x"\n'
    serve(machine, CONFIG + home)
    assert "below /home, which is hidden from the units" in said(
        machine, "--systemd", "--write", code=78
    )
    serve(machine, CONFIG + ELSEWHERE)
    assert "kept the old file as" in said(machine, "--systemd", "--write")
    assert said(machine, "--systemd", "--write") == "nothing is missing\n"
    said(machine, "--write")
    announce(machine)
    assert said(machine, "--systemd", "--write") == "nothing is missing\n"
    owners = machine.run("stat", "-c", "%U", "/srv/anycast/state", "/run/elsewhere").out
    assert owners == "anycast-routed\n" * 2
    assert machine.run("ls", "/srv/anycast/state").out
    said(machine, "--remove", "--write")
    machine.run("rm", "/etc/anycast-routed/config.toml")


def test_one_drop_in_applies_to_all_units(machine: Machine) -> None:
    said(machine, "--systemd", "--write")
    drop_ins = f"{UNITS}/anycast-.service.d"
    machine.write(f"{drop_ins}/paths.conf", DROP_IN)
    machine.run("systemctl", "daemon-reload")
    for name in ("anycast-routed", "anycast-routed-withdraw", "anycast-routed-handover"):
        assert machine.show(name, "ReadWritePaths") == "/srv/anycast"
        assert machine.show(name, "RuntimeDirectory") == "anycast-routed elsewhere"
    machine.run("rm", "-r", drop_ins)
    said(machine, "--remove", "--write")


def test_an_edited_unit_is_saved_and_a_masked_unit_stays_masked(machine: Machine) -> None:
    unit, kept = f"{UNITS}/anycast-routed.service", "before-anycast-routed"
    said(machine, "--systemd", "--write")
    machine.write(unit, machine.read(unit).replace("WatchdogSec=30", "WatchdogSec=77"))
    assert f"kept the old file as {unit}.{kept}" in said(machine, "--systemd", "--write")
    assert "WatchdogSec=77" in machine.read(f"{unit}.{kept}")
    assert "WatchdogSec=30" in machine.read(unit)
    machine.run("ln", "-sf", "/dev/null", unit)
    for options in (["--systemd", "--write"], ["--remove", "--write"]):
        assert f"{unit} is a link to /dev/null, and is left unchanged" in said(machine, *options)
        assert machine.run("readlink", unit).out == "/dev/null\n"
    machine.run("rm", unit, f"{unit}.{kept}")


def test_a_program_that_the_user_cannot_reach_is_refused(machine: Machine) -> None:
    script = "mkdir -p /root/.local/bin; cp /usr/bin/anycast-routed /root/.local/bin"
    machine.run("/bin/sh", "-euc", script)
    argv = ("/root/.local/bin/anycast-routed", "setup", "--systemd")
    assert "which is hidden from the units" in machine.run(*argv).err
    done = machine.run(*argv, "--write", check=False)
    assert done.code == 77
    assert "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install" in done.err
    assert machine.run("find", "/etc", "-path", "/etc/sysusers.d/*").out == ""
