"""What a client loses: 1,000 questions a second through a BIRD router, while a DNS host fails.

Two DNS hosts announce the same address to the router, the primary with a LocalPref of 200 and the
secondary of 100; the router's kernel table says who gets the client's questions.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from anycast_routed.lab import Lab, bird, dns, dns_client, eventually
from bench import faults
from bench.cases import say
from bench.daemon_site import AS, INCLUDE, RUN_DIR, STATE_DIR

if TYPE_CHECKING:
    from anycast_routed.lab import Host
    from anycast_routed.lab.dns_client import Client
    from bench.cases import Bench

HEAD: Final = ("event", "n", "questions lost: median", "max")
_ANYCAST = "10.10.10.10"
_EDGE = "172.17.2.254"
_HOSTS = (("172.17.2.1", 200), ("172.17.2.2", 100))
_SPAN = 1.5  # seconds after an event in which a lost question counts as lost by it
_WITHIN = 20.0
_DRAINS = 3


@dataclass
class Lost:
    """How many questions were lost at one kind of event, each time."""

    event: str
    questions: list[int]

    def row(self) -> list[str]:
        """Lay it out."""
        ordered = sorted(self.questions)
        median = ordered[len(ordered) // 2]
        return [self.event, str(len(ordered)), str(median), str(ordered[-1])]


class Clients:
    """The lab: client, router, primary and secondary."""

    def __init__(self, lab: Lab) -> None:
        edge = lab.host("edge")
        self._client = lab.host("client")
        hosts = [lab.host(f"dns{number}") for number, _ in enumerate(_HOSTS, start=1)]
        lab.lan("lan", edge, *hosts)
        lab.link(edge, self._client)
        edge.address("eth0", f"{_EDGE}/24").address("eth1", "192.0.2.1/24")
        edge.sysctl("net.ipv4.ip_forward", 1)
        self._client.address("eth0", "192.0.2.2/24").route("default", "via", "192.0.2.1")
        self.edge = bird.start(edge, _router())
        self._primary = hosts[0]
        self.servers = [
            _dns_host(host, address, local_pref)
            for host, (address, local_pref) in zip(hosts, _HOSTS, strict=True)
        ]
        for _, local_pref in _HOSTS:
            self.holds(local_pref)
        self.by_primary()

    def ask(self) -> Client:
        """Start the client."""
        return dns_client.start(self._client, _ANYCAST, question=faults.ZONE)

    def holds(self, local_pref: int) -> None:
        """Wait until the router has a path with this LocalPref, be it the best one or not."""
        sought = f"BGP.local_pref: {local_pref}\n"
        show = ("show", "route", f"{_ANYCAST}/32", "all")
        eventually(lambda: sought in self.edge.birdc(*show), within=_WITHIN, every=0.05)

    def by_primary(self) -> None:
        """Wait until the kernel of the router sends questions to the primary."""
        via = f"via {_HOSTS[0][0]} "
        show = ("route", "get", _ANYCAST)
        eventually(lambda: via in self.edge.host.ip(*show), within=_WITHIN, every=0.05)

    def ours(self, *arguments: str) -> None:
        """Run our program on the primary."""
        self._primary.run(sys.executable, "-m", "anycast_routed", *arguments, within=_WITHIN)


def measure(bench: Bench) -> None:
    """Kill the primary's server again and again, then drain it, under one client's eyes."""
    with Lab() as lab:
        here = Clients(lab)
        killed = faults.Killed(here.servers[0])
        asking = here.ask()
        spans: dict[str, list[tuple[float, float]]] = {"killed": [], "back": [], "drained": []}
        for _ in range(bench.options.client_runs):
            bench.wait()
            at = killed.strike()
            spans["killed"].append((at, at + _SPAN))
            time.sleep(_SPAN)
            at = killed.heal()
            here.by_primary()
            time.sleep(_SPAN / 2)
            spans["back"].append((at, time.monotonic()))
        for _ in range(_DRAINS):
            begun = time.monotonic()
            here.ours("drain", "dns", "--wait")
            time.sleep(_SPAN / 2)
            here.ours("undrain", "dns")
            here.by_primary()
            time.sleep(_SPAN / 2)
            spans["drained"].append((begun, time.monotonic()))
        asked = asking.stop()
    lost = [one.at for one in dns_client.failed(asked)]
    for event, times in spans.items():
        counts = [sum(begun <= at < ended for at in lost) for begun, ended in times]
        bench.report.lost.append(Lost(_NAMES[event], counts))
    others = len(lost) - sum(sum(one.questions) for one in bench.report.lost)
    bench.report.lost.append(Lost("at any other time", [others]))
    for one in bench.report.lost:
        say(" ".join(one.row()))


_NAMES = {
    "killed": "unbound on the primary killed",
    "back": "unbound on the primary back",
    "drained": "the primary drained and undrained",
}


def _router() -> str:
    sessions = [
        f"""protocol bgp {{
  local {_EDGE} as {AS};
  neighbor {address} as {AS};
  direct;
  connect delay time 1;
  connect retry time 1;
  ipv4 {{ import all; export none; }};
}}
"""
        for address, _ in _HOSTS
    ]
    return f"router id {_EDGE};\n" + bird.STOCK + "".join(sessions)


def _dns_host(host: Host, address: str, local_pref: int) -> dns.Unbound:
    """Set up a DNS host that serves the anycast address, with our daemon."""
    host.address("eth0", f"{address}/24").address("lo", f"{_ANYCAST}/32", label="lo:dns1")
    host.route("default", "via", _EDGE)
    bird.start(host, bird.STOCK + INCLUDE)
    server = dns.unbound(host, zones={faults.ZONE: ()}, address=("127.0.0.1", _ANYCAST))
    for folder in (RUN_DIR, STATE_DIR):
        host.path(folder).mkdir(exist_ok=True)
    host.write("/etc/anycast-routed/config.json", json.dumps(_config(address, local_pref)))
    host.start(sys.executable, "-m", "anycast_routed", "daemon", name="anycast-routed")
    return server


def _config(address: str, local_pref: int) -> dict[str, object]:
    anycast = {
        "interface": "lo",
        "prefix": "dns",
        "localpref": local_pref,
        "nexthop-interface": "eth0",
        "drain-time": "1s",
    }
    return {
        "dns": {"ip": "127.0.0.1", "query": faults.ZONE, "half-life": 0},
        "anycast": anycast,
        "bgp": {"id": address, "as": AS, "peers": [{"ip": _EDGE, "as": AS}]},
        "daemon": {"run-dir": RUN_DIR, "state-dir": STATE_DIR},
    }
