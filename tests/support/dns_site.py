"""A DNS site: dns1 with unbound, a router and anycast-routed, and two BGP peers on its LAN."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anycast_routed.lab import Host, Lab, bgp_receiver, bird, dns, frr, gobgp
from anycast_routed.lab import eventually as lab_eventually
from anycast_routed.state import status_file
from tests.support import program_runs
from tests.support.configs import anycast_dns
from tests.support.paths import ANYCAST_DNS_CONFIG
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.lab import Daemon
    from anycast_routed.lab.bgp_receiver import Receiver
    from anycast_routed.lab.bird import Bird
    from anycast_routed.lab.dns import Dns
    from anycast_routed.lab.frr import Frr
    from anycast_routed.lab.gobgp import Gobgp
    from anycast_routed.model import Verdict
    from anycast_routed.system.commands import Completed

Held = dict[str, tuple[int | None, str]]
"""A peer's table: prefix -> LocalPref, next hop."""

CONFIG = "/etc/anycast-routed/config.json"
RUN_DIR = "/run/anycast-routed"
STATE_DIR = "/var/lib/anycast-routed"
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
SIX = "fd00::10:10:10:10/128"
_LISTENS = ("127.0.0.1", *(one.partition("/")[0] for one in (*ADDRESSES, SIX)))
# The machine itself owns /var/lib: the host gets one of its own, with links to the machine's.
_OWN_STATE = """
mkdir /run/.lab/lib
mount -n --rbind /var/lib /run/.lab/lib
mount -n -t tmpfs -o mode=755 lab /var/lib
ln -s -- /run/.lab/lib/* /var/lib/
rm -f /var/lib/anycast-routed
"""
_FAMILIES: tuple[Literal["ipv4", "ipv6"], ...] = ("ipv4", "ipv6")


@dataclass
class DnsHost:
    """A DNS host: its router, unbound, and anycast-routed."""

    lab: Lab
    router_name: str
    dns1: Host
    router: Bird | Frr
    server: Dns

    def run(self, *arguments: str, check: bool = True, within: float = PATIENCE) -> Completed:
        """Run anycast-routed on dns1, as cron would."""
        return program_runs.run(self.dns1, *arguments, check=check, within=within)

    def daemon(self, *options: str) -> Daemon:
        """Start the daemon on dns1, and wait until it has made its first pass."""
        status = self.file(f"{RUN_DIR}/status.json")
        status.unlink(missing_ok=True)
        daemon = program_runs.start(self.dns1, *options, "daemon")
        eventually(lambda: daemon.check() and status.exists(), why="the daemon has made a pass")
        return daemon

    def document(self, *arguments: str, check: bool = True) -> Any:  # noqa: ANN401 - JSON
        """Run anycast-routed with --json and return the document."""
        return json.loads(self.run("--json", *arguments, check=check).out)

    def status(self) -> status_file.Live:
        """Return the daemon's status file."""
        found = status_file.load(self.file(RUN_DIR))
        assert found is not None
        return found

    def status_has(self, verdict: Verdict, service: str = "dns") -> None:
        """Wait until the daemon's status file has this verdict; the routes change before it."""
        why = f"the status of {service} is {verdict}"
        eventually(lambda: self.status().health[service].verdict is verdict, why=why)

    def file(self, path: str) -> Path:
        """Return the path by which the test sees a file of the host."""
        return self.dns1.path(path)

    def router_file(self) -> Path:
        """Return the path of the router's config file that anycast-routed writes."""
        return self.file(f"{RUN_DIR}/{self.router_name}.conf")

    def configure(self, config: dict[str, Any]) -> None:
        """Write the config file."""
        self.dns1.write(CONFIG, json.dumps(config))

    def undamped(self) -> None:
        """Let the service return at once, however often it dies: one test has many deaths."""
        config = anycast_dns()
        config["dns"]["half-life"] = 0
        self.configure(config)


@dataclass
class Site(DnsHost):
    """dns1 with two peers on its LAN: GoBGP, and an edge router with FRR."""

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

    def recording_peer(self, *, asn: int = 64512) -> Receiver:
        """Replace GoBGP by a peer that records every message; `asn` is the AS of dns1."""
        self.gobgp.daemon.kill()
        host, peers = self.gobgp.host, {"172.17.2.1": asn}
        return bgp_receiver.start(host, asn=64512, router_id="172.17.2.253", peers=peers)

    def both_hold(self, wanted: Held, within: float = PATIENCE) -> None:
        """Wait until both peers hold exactly these routes."""
        lab_eventually(lambda: self.tables() == [wanted, wanted], within=within, why=str(wanted))


def lay_out(
    lab: Lab,
    router_name: str,
    *,
    own: str = "",
    addresses: tuple[str, ...] = ADDRESSES,
    peers: str | None = None,
) -> Site:
    """Lay out the site with the anycast-dns config unchanged; nothing has been applied yet.

    `own` is what the operator of dns1 has in the router's config after the include line. `peers` is
    the release of both peers (that of the lab).
    """
    dns1 = lab.host("dns1")
    edge, peer = lab.host("edge", release=peers), lab.host("peer", release=peers)
    lab.lan("lan", dns1, edge, peer)
    edge.address("eth0", "172.17.2.254/24").address("eth0", "fd00:17:2::fe/64")
    peer.address("eth0", "172.17.2.253/24").address("eth0", "fd00:17:2::fd/64")
    prepare(dns1, addresses)
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


def prepare(dns1: Host, addresses: tuple[str, ...] = ADDRESSES) -> None:
    """Give a host that is on its LAN its addresses, a config file and a state directory."""
    dns1.run("/bin/sh", "-euc", _OWN_STATE)
    dns1.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17:2::1/64")
    for number, address in enumerate(addresses, start=1):
        dns1.address("lo", address, label=f"lo:dns{number}")
    dns1.address("lo", SIX)
    dns1.write(CONFIG, ANYCAST_DNS_CONFIG.read_text())


def start(dns1: Host, router_name: str, own: str = "") -> tuple[Bird | Frr, Dns]:
    """Start the host's router and its DNS server."""
    is_bird = router_name == "bird"
    return (
        bird.start(dns1, bird.STOCK + INCLUDE + own) if is_bird else frr.start(dns1, own),
        dns.unbound(dns1, zones={"google.com.": ()}, address=_LISTENS),
    )
