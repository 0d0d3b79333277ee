"""dns1 of the test site as a booted Debian with a router, unbound and anycast-routed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import bgp_receiver, eventually
from tests.support.lan import lan_host
from tests.support.machines.machine import Machine
from tests.support.router_faults import changes
from tests.support.watched_site import PEER, Judge, Updates, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from anycast_routed.lab.bgp_receiver import Receiver
    from tests.support.dns_site import Held
    from tests.support.machines.package import Packages

PROGRAM = "anycast-routed"
"""The name of the program, of its package, of its user and of its daemon's unit."""
CONFIG = "/etc/anycast-routed/config.json"
ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"], scope="module")
"""For tests of systemd alone, where the router makes no difference."""
GROUPS = {"bird": "bird", "frr": "frrvty"}
_NETWORK = (
    "address add 172.17.2.1/24 dev eth0",
    "address add fd00:17:2::1/64 dev eth0 nodad",
    "address add 10.10.10.10/32 dev lo label lo:dns1",
    "address add 10.10.10.11/32 dev lo label lo:dns2",
)
_ZONE = """\
server:
  local-zone: "google.com." static
  local-data: "google.com. 60 IN SOA localhost. nobody.invalid. 1 3600 1200 604800 60"
"""
# The image has both routers: remove one of them.
_KEEP_ONE_ROUTER = {
    "bird": "dpkg --purge frr; groupdel frrvty",
    "frr": """
        dpkg --purge bird2 bird3
        sed -i s/bgpd=no/bgpd=yes/ /etc/frr/daemons
    """,
}
_RESTORE = """
rm -rf /etc/systemd/system/anycast-routed*.d /etc/systemd/system/unbound.service.d
systemctl daemon-reload
systemctl stop anycast-routed-apply.timer
systemctl reset-failed
systemctl start "$1" unbound
if [ "$1" = bird ] && ! grep -q anycast-route /etc/bird/bird.conf; then
    anycast-routed setup --write
    birdc configure
fi
systemctl start anycast-routed
"""


@dataclass
class DnsHost(Judge):
    """The machine and its only BGP peer, which records every message."""

    machine: Machine
    router_name: str
    peer: Receiver
    packages: Packages

    def received(self, mark: int) -> Updates:
        """Return the changes that the peer received after `mark`, in one session."""
        assert not {"up", "down"} & {event.kind for event in self.peer.since(mark)}
        return Counter(changes(self, mark))

    def is_installed(self) -> bool:
        """Return whether dpkg knows the package, also removed with its config files left."""
        return self.machine.run("dpkg-query", "--status", PROGRAM, check=False).code == 0

    def ensure_not_installed(self) -> None:
        """Purge the package if it is installed."""
        if self.is_installed():
            self.purge()

    def purge(self) -> None:
        """Purge the package."""
        self.machine.run("apt-get", "purge", "-y", PROGRAM, within=300)

    def restore(self, wanted: Held) -> None:
        """Undo the changes of the test before; return when the peer has these routes."""
        if not self.is_installed():
            self.machine.install(self.packages.current)
        self.configure(quick())
        self.machine.run("/bin/sh", "-euc", _RESTORE, "sh", self.router_name, within=180)
        self.holds(wanted, within=60)

    def configure(self, config: dict[str, Any]) -> None:
        """Write this config to the config file, if it is different."""
        text = json.dumps(config)
        if self.machine.run("cat", CONFIG, check=False).out != text:
            self.machine.write(CONFIG, text)

    def drop_in(self, unit: str, text: str) -> None:
        """Write a drop-in for a unit, and load it."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def systemctl(self, *words: str) -> None:
        """Run systemctl, which must succeed."""
        self.machine.run("systemctl", *words, within=180)

    def pid(self) -> int:
        """Return the PID of the daemon, or 0 if the daemon does not run."""
        return int(self.machine.show(PROGRAM, "MainPID"))

    def state(self, unit: str = PROGRAM) -> str:
        """Return the ActiveState of a unit: "active", "failed", ..."""
        return self.machine.show(unit, "ActiveState")

    def await_new_daemon(self, before: int) -> None:
        """Wait until a daemon with another PID than `before` is active."""
        eventually(
            lambda: self.pid() not in {0, before} and self.state() == "active",
            within=90,
            why="a new daemon is active",
        )


def boot_dns_host(lab: Lab, router_name: str, packages: Packages) -> Iterator[DnsHost]:
    """Boot the host, with its peer on the same LAN. The package has never been installed."""
    dns1, peer = lab.host("dns1"), lan_host(lab, "peer", 253)
    lab.lan("lan", dns1)
    receiver = bgp_receiver.start(peer, asn=64512, router_id=PEER, peers={"172.17.2.1": 64512})
    with Machine(dns1) as machine:
        machine.network(*_NETWORK)
        machine.write("/etc/unbound/unbound.conf.d/lab.conf", _ZONE)
        machine.run("/bin/sh", "-euc", _KEEP_ONE_ROUTER[router_name])
        machine.run("systemctl", "enable", router_name, "unbound")
        machine.boot()
        yield DnsHost(machine, router_name, receiver, packages)
