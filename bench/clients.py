"""Questions that a DNS client loses: 1,000 a second through a BIRD router while a DNS host fails.

Two DNS hosts announce the same address to the router: the primary with LocalPref 200, the
secondary with 100. The router's kernel table decides which host receives the client's questions.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final

from anycast_routed.lab import Lab, bird, dns, dns_client, eventually
from bench import faults
from bench.daemon_site import AS, INCLUDE, RUN_DIR, STATE_DIR
from bench.figures import LostQuestions
from bench.progress import say

if TYPE_CHECKING:
    from anycast_routed.lab import Host
    from anycast_routed.lab.dns_client import Client
    from bench.cases import CaseRunner

HEAD: Final = ("event", "n", "questions lost: median", "max")
_ANYCAST = "10.10.10.10"
_EDGE = "172.17.2.254"
_HOSTS = (("172.17.2.1", 200), ("172.17.2.2", 100))
_SPAN = 1.5  # seconds after an event in which a lost question counts as lost by the event
_WITHIN = 20.0
_DRAINS = 3
_NAMES = {
    "killed": "unbound on the primary killed",
    "back": "unbound on the primary back",
    "drained": "the primary drained and undrained",
}
_Spans = dict[str, list[tuple[float, float]]]
"""Kind of event -> begin and end of each occurrence (time.monotonic())."""


class ClientSite:
    """A lab with a client, a router, and a primary and a secondary DNS host."""

    def __init__(self, lab: Lab) -> None:
        edge = lab.host("edge")
        self._client = lab.host("client")
        hosts = [lab.host(f"dns{number}") for number, _ in enumerate(_HOSTS, start=1)]
        lab.lan("lan", edge, *hosts)
        lab.link(edge, self._client)
        edge.address("eth0", f"{_EDGE}/24").address("eth1", "192.0.2.1/24")
        edge.sysctl("net.ipv4.ip_forward", 1)
        self._client.address("eth0", "192.0.2.2/24").route("default", "via", "192.0.2.1")
        self._edge = bird.start(edge, _router_config())
        self._primary = hosts[0]
        self.servers = [
            _start_dns_host(host, address, local_pref)
            for host, (address, local_pref) in zip(hosts, _HOSTS, strict=True)
        ]
        for _, local_pref in _HOSTS:
            self._wait_for_path(local_pref)
        self.wait_for_primary()

    def start_client(self) -> Client:
        """Start the client."""
        return dns_client.start(self._client, _ANYCAST, question=faults.ZONE)

    def _wait_for_path(self, local_pref: int) -> None:
        """Wait until the router has a path with this LocalPref, the best one or another."""
        sought = f"BGP.local_pref: {local_pref}\n"
        show = ("show", "route", f"{_ANYCAST}/32", "all")
        eventually(lambda: sought in self._edge.birdc(*show), within=_WITHIN, every=0.05)

    def wait_for_primary(self) -> None:
        """Wait until the router's kernel table sends questions to the primary."""
        via = f"via {_HOSTS[0][0]} "
        show = ("route", "get", _ANYCAST)
        eventually(lambda: via in self._edge.host.ip(*show), within=_WITHIN, every=0.05)

    def on_primary(self, *arguments: str) -> None:
        """Run anycast-routed on the primary."""
        self._primary.run(sys.executable, "-m", "anycast_routed", *arguments, within=_WITHIN)


def measure(runner: CaseRunner) -> None:
    """Kill the primary's server several times, then drain it, while one client asks."""
    with Lab() as lab:
        site = ClientSite(lab)
        asking = site.start_client()
        spans = _kill_primary(site, runner) | _drain_primary(site)
        asked = asking.stop()
    lost = [one.at for one in dns_client.failed(asked)]
    report = runner.report.lost
    for event, times in spans.items():
        counts = [sum(begun <= at < ended for at in lost) for begun, ended in times]
        report.append(LostQuestions(_NAMES[event], counts))
    others = len(lost) - sum(sum(one.questions) for one in report)
    report.append(LostQuestions("at any other time", [others]))
    for one in report:
        say(" ".join(one.row()))


def _kill_primary(site: ClientSite, runner: CaseRunner) -> _Spans:
    fault = faults.Killed(site.servers[0])
    spans: _Spans = {"killed": [], "back": []}
    for _ in range(runner.options.client_runs):
        runner.wait()
        at = fault.cause()
        spans["killed"].append((at, at + _SPAN))
        time.sleep(_SPAN)
        at = fault.clear()
        site.wait_for_primary()
        time.sleep(_SPAN / 2)
        spans["back"].append((at, time.monotonic()))
    return spans


def _drain_primary(site: ClientSite) -> _Spans:
    spans: _Spans = {"drained": []}
    for _ in range(_DRAINS):
        begun = time.monotonic()
        site.on_primary("drain", "dns", "--wait")
        time.sleep(_SPAN / 2)
        site.on_primary("undrain", "dns")
        site.wait_for_primary()
        time.sleep(_SPAN / 2)
        spans["drained"].append((begun, time.monotonic()))
    return spans


def _router_config() -> str:
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


def _start_dns_host(host: Host, address: str, local_pref: int) -> dns.Unbound:
    """Set up a DNS host with the anycast address, BIRD, unbound and the daemon."""
    host.address("eth0", f"{address}/24").address("lo", f"{_ANYCAST}/32", label="lo:dns1")
    host.route("default", "via", _EDGE)
    bird.start(host, bird.STOCK + INCLUDE)
    server = dns.unbound(host, zones={faults.ZONE: ()}, address=("127.0.0.1", _ANYCAST))
    for directory in (RUN_DIR, STATE_DIR):
        host.path(directory).mkdir(exist_ok=True)
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
