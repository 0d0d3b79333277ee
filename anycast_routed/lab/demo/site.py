"""The site of the demo: its hosts, addresses, daemons and config files."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anycast_routed
from anycast_routed.lab import bird, dns, eventually, frr, gobgp

if TYPE_CHECKING:
    from anycast_routed.lab import Family, Host, Lab
    from anycast_routed.lab.bird import Bird
    from anycast_routed.lab.dns import Dns
    from anycast_routed.lab.frr import Frr
    from anycast_routed.lab.gobgp import Gobgp
    from anycast_routed.system.commands import Completed

AS = 64512
ANYCAST: dict[Family, str] = {"ipv4": "10.10.10.10/32", "ipv6": "fd00::10:10:10:10/128"}
LOCAL_PREF = {"dns1": 200, "dns2": 190, "dns3": 100}
EDGE, PEER = "172.17.2.254", "172.17.2.253"
MAP = (
    "  client ---- edge (FRR) --+-- dns1    unbound, BIRD, anycast-routed:   LocalPref 200",
    "  queries                  |-- dns2    unbound, FRR, anycast-routed:    LocalPref 190",
    "  10.10.10.10              |-- dns3    unbound, BIRD, always announced: LocalPref 100",
    "  every 0.2 s              +-- gobgpd  a second BGP peer",
)

_ADDRESS: dict[Family, dict[str, str]] = {
    "ipv4": {f"dns{number}": f"172.17.2.{number}" for number in (1, 2, 3)},
    "ipv6": {f"dns{number}": f"fd00:17:2::{number}" for number in (1, 2, 3)},
}
_INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'


@dataclass(frozen=True, slots=True)
class Site:
    """The running site. `servers` are the DNS servers by the name of their host."""

    hosts: dict[str, Host]
    servers: dict[str, Dns]
    edge: Frr
    gobgp: Gobgp

    def apply(self, name: str) -> tuple[Completed, float]:
        """Run `anycast-routed apply` on a host to its end; return the result and the seconds."""
        # Use the code of this process, and only the config file of the host.
        env = {key: value for key, value in os.environ.items() if key != "ANYCAST_ROUTED_CONFIG"}
        env["PYTHONPATH"] = str(Path(anycast_routed.__file__).parents[1])
        begun = time.monotonic()
        argv = (sys.executable, "-m", "anycast_routed", "apply")
        done = self.hosts[name].run(*argv, within=120.0, check=False, env=env)
        return done, time.monotonic() - begun

    def edge_paths(self, family: Family) -> list[tuple[str, int]]:
        """Return edge's paths to the prefix, the path in use first: DNS host and LocalPref."""
        answer = self.edge.json(f"show bgp {family} unicast {ANYCAST[family]}")
        paths = sorted(
            answer.get("paths", ()),
            key=lambda path: (not path.get("bestpath", {}).get("overall"), -path["locPrf"]),
        )
        return [(_sender(family, path["nexthops"][0]["ip"]), path["locPrf"]) for path in paths]

    def gobgp_paths(self, family: Family) -> list[tuple[str, int]]:
        """Return gobgpd's paths to the prefix, the best first: DNS host and LocalPref."""
        routes = self.gobgp.paths(family).get(ANYCAST[family], [])
        return [(_sender(family, route.next_hop), route.local_pref or 0) for route in routes]


def build(lab: Lab) -> Site:
    """Build the site and start every daemon; return when edge and gobgpd have the route of dns3.

    anycast-routed has not run yet: dns1 and dns2 are not announced.

    Raises:
        LabError: a daemon did not start, or the route of dns3 did not arrive.
        LabUnavailableError: a program is not installed, or namespaces are not allowed.
    """
    hosts = {name: lab.host(name) for name in (*LOCAL_PREF, "edge", "gobgpd", "client")}
    _connect(lab, hosts)
    for name in ("dns1", "dns2"):
        hosts[name].write("/etc/anycast-routed/config.json", _config(name))
    site = Site(
        hosts=hosts,
        servers={name: _unbound(hosts[name]) for name in LOCAL_PREF},
        edge=frr.start(hosts["edge"], _edge_config()),
        gobgp=gobgp.start(
            hosts["gobgpd"], AS, PEER, peers=dict.fromkeys(_ADDRESS["ipv4"].values(), AS)
        ),
    )
    bird.start(hosts["dns1"], bird.STOCK + _INCLUDE)
    frr.start(hosts["dns2"])
    backup = bird.start(hosts["dns3"], bird.STOCK + _backup_config())
    eventually(
        lambda: _poke(backup) and site.edge_paths("ipv4") and site.gobgp_paths("ipv4"),
        within=30.0,
        every=0.1,
        why="the route of dns3 reaches edge and gobgpd",
    )
    return site


def _connect(lab: Lab, hosts: dict[str, Host]) -> None:
    edge, client = hosts["edge"], hosts["client"]
    lab.lan("lan", *(hosts[name] for name in (*LOCAL_PREF, "edge", "gobgpd")))
    lab.link(edge, client)
    edge.address("eth0", f"{EDGE}/24").address("eth0", "fd00:17:2::fe/64")
    edge.address("eth1", "192.0.2.1/24")
    edge.sysctl("net.ipv4.ip_forward", 1).sysctl("net.ipv6.conf.all.forwarding", 1)
    client.address("eth0", "192.0.2.2/24").route("default", "via", "192.0.2.1")
    hosts["gobgpd"].address("eth0", f"{PEER}/24").address("eth0", "fd00:17:2::fd/64")
    for name in LOCAL_PREF:
        host = hosts[name]
        host.address("eth0", f"{_ADDRESS['ipv4'][name]}/24")
        host.address("eth0", f"{_ADDRESS['ipv6'][name]}/64")
        host.address("lo", ANYCAST["ipv4"], label="lo:dns1").route("default", "via", EDGE)
        if name != "dns3":
            host.address("lo", ANYCAST["ipv6"])


def _unbound(host: Host) -> Dns:
    return dns.unbound(
        host,
        address=("127.0.0.1", *(one.partition("/")[0] for one in ANYCAST.values())),
        zones={"google.com.": ()},
        identity=host.name,
    )


def _config(name: str) -> str:
    """Return the config file of the DNS host `name`: one service, its prefixes, two peers."""
    local_pref = LOCAL_PREF[name]
    static = {"label": "v6-primary", "ip": ANYCAST["ipv6"], "localpref": local_pref}
    config = {
        "dns": {
            "ip": "127.0.0.1",
            "port": "53",
            "query": "google.com.",
            "timeout": "1s",
            "interval": "1s",
        },
        "anycast": {
            "interface": "lo",
            "prefix": "dns",
            "localpref": local_pref,
            "decrease": 10,
            "nexthop-interface": "eth0",
            "routes": [static],
        },
        "bgp": {
            "id": _ADDRESS["ipv4"][name],
            "as": AS,
            "peers": [
                {"ip": EDGE, "description": "edge", "as": AS},
                {"ip": PEER, "description": "gobgpd", "as": AS},
            ],
        },
    }
    return json.dumps(config, indent=2)


def _edge_config() -> str:
    """Return the frr.conf of edge: three neighbors, both families, no networks."""
    neighbors = _ADDRESS["ipv4"].values()
    activate = [f"  neighbor {address} activate" for address in neighbors]
    lines = [f"router bgp {AS}", f" bgp router-id {EDGE}"]
    for address in neighbors:
        lines += [f" neighbor {address} remote-as {AS}", f" neighbor {address} timers connect 1"]
    for family in ("ipv4", "ipv6"):
        lines += [f" address-family {family} unicast", *activate, " exit-address-family"]
    return "\n".join([*lines, "exit", ""])


def _backup_config() -> str:
    """Return the addition to the bird.conf of dns3, which always announces its route."""
    address = _ADDRESS["ipv4"]["dns3"]
    route = f"route {ANYCAST['ipv4']} blackhole {{ bgp_local_pref = {LOCAL_PREF['dns3']}; }};"
    lines = [
        f"router id {address};",
        "ipv4 table anycast;",
        f"protocol static backup {{ ipv4 {{ table anycast; }}; {route} }}",
    ]
    for peer in (EDGE, PEER):
        channel = f"table anycast; import none; export all; next hop address {address};"
        lines += [
            "protocol bgp {",
            f"  local as {AS}; neighbor {peer} as {AS}; connect delay time 0;",
            f"  ipv4 {{ {channel} }};",
            "}",
        ]
    return "\n".join([*lines, ""])


def _poke(router: Bird) -> bool:
    """Send BIRD a command, so that it does not wait 3 s before the first UPDATE of a session."""
    return bool(router.birdc("show", "status"))


def _sender(family: Family, next_hop: str) -> str:
    names = {address: name for name, address in _ADDRESS[family].items()}
    return names.get(next_hop, next_hop)
