"""The seed's site: dns1 with its two peers on one LAN, unbound on dns1, and our program there."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anycast_routed.lab import Host, Lab, bird, dns, eventually, frr, gobgp
from tests.support.paths import ANYCAST_DNS_CONFIG

if TYPE_CHECKING:
    from anycast_routed.lab import Daemon
    from anycast_routed.lab.bird import Bird
    from anycast_routed.lab.dns import Dns
    from anycast_routed.lab.frr import Frr
    from anycast_routed.lab.gobgp import Gobgp
    from anycast_routed.system.commands import Completed

Held = dict[str, tuple[int | None, str]]
"""A peer's table: prefix -> LocalPref, next hop."""

INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
EDGE = """\
router bgp 64512
 bgp router-id 172.17.2.254
 neighbor 172.17.2.1 remote-as 64512
 neighbor 172.17.2.1 timers connect 1
 address-family ipv4 unicast
  neighbor 172.17.2.1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 172.17.2.1 activate
 exit-address-family
exit
"""
ADDRESSES = ("10.10.10.10/32", "10.10.10.11/32")
# The state folder is below /var/lib, which is the machine's own: here it is of links to that.
_OWN_STATE = """
mkdir /run/.lab/lib
mount -n --rbind /var/lib /run/.lab/lib
mount -n -t tmpfs -o mode=755 lab /var/lib
ln -s -- /run/.lab/lib/* /var/lib/
rm -f /var/lib/anycast-routed
"""
_FAMILIES: tuple[Literal["ipv4", "ipv6"], ...] = ("ipv4", "ipv6")


@dataclass
class Node:
    """A DNS host: its router, unbound, and our program; dns1 of the seed's site."""

    lab: Lab
    router_name: str
    dns1: Host
    router: Bird | Frr
    server: Dns

    def run(self, *arguments: str, check: bool = True, within: float = 30) -> Completed:
        """Run our program on dns1, as cron would."""
        argv = (sys.executable, "-m", "anycast_routed", *arguments)
        return self.dns1.run(*argv, check=check, within=within)

    def daemon(self, *options: str) -> Daemon:
        """Start our daemon on dns1, and wait until it has made its first pass."""
        status = self.dns1.path("/run/anycast-routed/status.json")
        status.unlink(missing_ok=True)
        argv = (sys.executable, "-m", "anycast_routed", *options, "daemon")
        daemon = self.dns1.start(*argv, name="anycast-routed")
        eventually(
            lambda: daemon.check() and status.exists(), within=15, why="the daemon has begun"
        )
        return daemon

    def document(self, *arguments: str, check: bool = True) -> Any:  # noqa: ANN401 - JSON
        """Run it with --json and return the document."""
        return json.loads(self.run("--json", *arguments, check=check).out)

    def configure(self, config: dict[str, Any]) -> None:
        """Write the config file."""
        self.dns1.write("/etc/anycast-routed/config.json", json.dumps(config))

    def undamped(self) -> None:
        """Have the service return at once, however often it dies: many deaths are one test."""
        config = seed()
        config["dns"]["half-life"] = 0
        self.configure(config)


@dataclass
class Site(Node):
    """The seed's site: dns1 with its two peers on one LAN, and unbound on dns1."""

    gobgp: Gobgp
    edge: Frr

    def tables(self) -> list[Held]:
        """Return what each of the two peers holds: prefix -> LocalPref, next hop."""
        return [
            {
                prefix: (route.local_pref, route.next_hop)
                for family in _FAMILIES
                for prefix, route in peer.rib(family).items()
            }
            for peer in (self.gobgp, self.edge)
        ]

    def both_hold(self, wanted: Held, within: float = 10) -> None:
        """Wait until both peers hold exactly this."""
        eventually(lambda: self.tables() == [wanted, wanted], within=within, why=str(wanted))


def seed() -> dict[str, Any]:
    """Return the seed's config, to be changed by a test."""
    loaded: dict[str, Any] = json.loads(ANYCAST_DNS_CONFIG.read_text())
    return loaded


def lay_out(
    lab: Lab, router_name: str, *, own: str = "", addresses: tuple[str, ...] = ADDRESSES
) -> Site:
    """Lay out the site with the seed's config unchanged; nothing has been applied yet.

    `own` is what the operator of dns1 has in his router's config beside our include line.
    """
    dns1, edge, peer = lab.host("dns1"), lab.host("edge"), lab.host("peer")
    lab.lan("lan", dns1, edge, peer)
    edge.address("eth0", "172.17.2.254/24").address("eth0", "fd00:17:2::fe/64")
    peer.address("eth0", "172.17.2.253/24").address("eth0", "fd00:17:2::fd/64")
    settle(dns1, addresses)
    router, server = start(dns1, router_name, own)
    return Site(
        lab=lab,
        router_name=router_name,
        dns1=dns1,
        router=router,
        server=server,
        gobgp=gobgp.start(peer, 64512, "172.17.2.253", peers={"172.17.2.1": 64512}),
        edge=frr.start(edge, EDGE),
    )


def settle(dns1: Host, addresses: tuple[str, ...] = ADDRESSES) -> None:
    """Give the host, on its LAN already, the seed's addresses, its config, and a state folder."""
    dns1.run("/bin/sh", "-euc", _OWN_STATE)
    dns1.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    for number, address in enumerate(addresses, start=1):
        dns1.address("lo", address, label=f"lo:dns{number}")
    dns1.write("/etc/anycast-routed/config.json", ANYCAST_DNS_CONFIG.read_text())


def start(dns1: Host, router_name: str, own: str = "") -> tuple[Bird | Frr, Dns]:
    """Start the host's router and its DNS server."""
    is_bird = router_name == "bird"
    return (
        bird.start(dns1, bird.STOCK + INCLUDE + own) if is_bird else frr.start(dns1, own),
        dns.unbound(dns1, zones={"google.com.": ()}),
    )
