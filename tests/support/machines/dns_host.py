"""dns1 of the seed's site as an operator has it: a Debian, its router, unbound, and our package."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import bgp_receiver, eventually
from tests.support.machines.machine import Machine
from tests.support.router_faults import changes
from tests.support.watched_site import PEER, Judge, Told, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from anycast_routed.lab.bgp_receiver import Receiver
    from tests.support.dns_site import Held
    from tests.support.machines.package import Packages

OURS = "anycast-routed"
CONFIG = "/etc/anycast-routed/config.json"
ONLY_BIRD = pytest.mark.parametrize("router_name", ["bird"], scope="module")
"""For what is systemd's alone."""
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
# The image has both routers, this host one of them.
_ROUTERS = {
    "bird": "dpkg --purge frr; groupdel frrvty",
    "frr": """
        dpkg --purge bird2
        sed -i s/bgpd=no/bgpd=yes/ /etc/frr/daemons
    """,
}
_WELL = """
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
    """The machine, and its only peer, which writes down every message."""

    machine: Machine
    router_name: str
    peer: Receiver
    packages: Packages

    def told(self, mark: int) -> Told:
        """Return the changes that the peer was told of since the mark; its session has been up."""
        assert not {"up", "down"} & {event.kind for event in self.peer.since(mark)}
        return Counter(changes(self, mark))

    def is_installed(self) -> bool:
        """Return whether there is any trace of the package in dpkg's books."""
        return self.machine.run("dpkg-query", "--status", OURS, check=False).code == 0

    def bare(self) -> None:
        """Have a host on which the package has never been."""
        if self.is_installed():
            self.purge()

    def purge(self) -> None:
        """Remove the package with all that is its own."""
        self.machine.run("apt-get", "purge", "-y", OURS, within=120)

    def well(self, wanted: Held) -> None:
        """Have everything as it should be, whatever the test before has left."""
        if not self.is_installed():
            self.machine.install(self.packages.current)
        self.configure(quick())
        self.machine.run("/bin/sh", "-euc", _WELL, "sh", self.router_name, within=60)
        self.holds(wanted, within=30)

    def configure(self, config: dict[str, Any]) -> None:
        """Have this config in the file."""
        text = json.dumps(config)
        if self.machine.run("cat", CONFIG, check=False).out != text:
            self.machine.write(CONFIG, text)

    def drop_in(self, unit: str, text: str) -> None:
        """Change a unit as an operator does."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def systemctl(self, *words: str) -> None:
        """Run systemctl, which may not fail."""
        self.machine.run("systemctl", *words, within=90)

    def pid(self) -> int:
        """Return the daemon's PID; 0 where it does not run."""
        return int(self.machine.show(OURS, "MainPID"))

    def state(self, unit: str = OURS) -> str:
        """Return what systemd says of a unit: "active", "failed" ..."""
        return self.machine.show(unit, "ActiveState")

    def is_another(self, before: int) -> None:
        """Wait until another daemon than this one is at work."""
        eventually(
            lambda: self.pid() not in {0, before} and self.state() == "active",
            within=30,
            why="another daemon is at work",
        )


def lay_out(lab: Lab, router_name: str, packages: Packages) -> Iterator[DnsHost]:
    """Boot the host beside its peer; our package has never been there."""
    dns1, peer = lab.host("dns1"), lab.host("peer")
    lab.lan("lan", dns1, peer)
    peer.address("eth0", f"{PEER}/24").address("eth0", "fd00:17:2::fd/64")
    recording = bgp_receiver.start(peer, asn=64512, router_id=PEER, peers={"172.17.2.1": 64512})
    with Machine(dns1) as machine:
        machine.network(*_NETWORK)
        machine.write("/etc/unbound/unbound.conf.d/lab.conf", _ZONE)
        machine.run("/bin/sh", "-euc", _ROUTERS[router_name])
        machine.run("systemctl", "enable", router_name, "unbound")
        machine.boot()
        yield DnsHost(machine, router_name, recording, packages)
