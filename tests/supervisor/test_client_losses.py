"""What a client with 1,000 questions a second notices of a death, a return and a drain."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, Lab, bird, dns, dns_client
from anycast_routed.state import drain_orders
from tests.support.dns_site import INCLUDE
from tests.support.waiting import eventually, never
from tests.support.watched_site import QUICK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.lab.bird import Bird
    from anycast_routed.lab.dns import Dns
    from anycast_routed.lab.dns_client import Question

pytestmark = pytest.mark.integration

SERVICE = "10.10.10.10"
STATE_DIR = "/run/state"
EDGE = """\
log stderr all;
protocol device {
}
protocol kernel {
  ipv4 { export all; };
}
protocol bgp dns1 {
  local 172.17.2.254 as 64512;
  neighbor 172.17.2.1 as 64512;
  direct;
  ipv4 { import all; export none; };
}
protocol bgp dns2 {
  local 172.17.2.254 as 64512;
  neighbor 172.17.2.2 as 64512;
  direct;
  ipv4 { import all; export none; };
}
"""
LOCAL_PREF = {"172.17.2.1": 200, "172.17.2.2": 100}


@dataclass
class Pair:
    """Two DNS hosts, an edge router with sessions to both, and a client behind the edge."""

    primary: Host
    server: Dns
    edge: Bird
    asking: Host

    def serves(self, address: str) -> None:
        """Wait until the edge's kernel sends the client's questions to this DNS host."""
        eventually(
            lambda: f"via {address} " in self.edge.host.ip("route", "get", SERVICE),
            why=f"{address} serves",
        )

    def knows(self, address: str) -> bool:
        """Tell whether this DNS host announces the service to the edge."""
        return f"via {address} " in self.edge.birdc(f"show route for {SERVICE} all")

    def ask(self) -> dns_client.Client:
        """Start a client, and let it ask for a while before the test changes anything."""
        asking = dns_client.start(self.asking, SERVICE)
        pause(0.3)
        return asking


def pause(seconds: float) -> None:
    """Let the client ask for so many seconds."""
    never(lambda: False, seconds=seconds)


def config(address: str) -> str:
    """Return the config of the DNS host with this address."""
    return json.dumps(
        {
            "dns": {"ip": "127.0.0.1", "query": "google.com", **QUICK},
            "anycast": {
                "nexthop-interface": "eth0",
                "routes": [
                    {
                        "label": "service",
                        "ip": f"{SERVICE}/32",
                        "localpref": LOCAL_PREF[address],
                    }
                ],
                "drain-time": "500ms",
            },
            "daemon": {"state-dir": STATE_DIR},
            "bgp": {
                "id": address,
                "as": 64512,
                "peers": [{"ip": "172.17.2.254", "description": "edge", "as": 64512}],
            },
        }
    )


def dns_host(lab: Lab, name: str, address: str) -> tuple[Host, Dns]:
    """Start a DNS host, with the daemon on it."""
    host = lab.host(name)
    lab.lan("lan", host)
    host.address("eth0", f"{address}/24").address("lo", f"{SERVICE}/32")
    host.route("default", "via", "172.17.2.254")
    host.write("/etc/anycast-routed/config.json", config(address))
    bird.start(host, bird.STOCK + INCLUDE)
    server = dns.unbound(host, address=("127.0.0.1", SERVICE), zones={"google.com.": ()})
    host.start(sys.executable, "-m", "anycast_routed", "daemon", name="anycast-routed")
    return host, server


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Pair:
    """Lay out both DNS hosts, the edge and the client, and wait for both announcements."""
    edge, asking = lab.host("edge"), lab.host("client")
    lab.lan("lan", edge)
    lab.link(edge, asking)
    edge.address("eth0", "172.17.2.254/24").address("eth1", "192.0.2.1/24")
    edge.sysctl("net.ipv4.ip_forward", 1)
    asking.address("eth0", "192.0.2.2/24").route("default", "via", "192.0.2.1")
    primary, server = dns_host(lab, "dns1", "172.17.2.1")
    dns_host(lab, "dns2", "172.17.2.2")
    made = Pair(primary, server, bird.start(edge, EDGE), asking)
    for address in LOCAL_PREF:
        eventually(partial(made.knows, address), why=f"{address} announces the service")
    made.serves("172.17.2.1")
    return made


@pytest.mark.fault(1)
def test_no_question_is_lost_after_the_edge_left_a_dead_primary_nor_at_its_return(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """How long the edge takes is measured by bench/failover.py."""
    asking = pair.ask()
    pair.server.daemon.kill()
    pair.serves("172.17.2.2")
    switched = time.monotonic()
    pause(0.3)
    asked = asking.stop()
    print_losses(capsys, "the primary died", asked)
    assert [one for one in dns_client.lost(asked) if one.at > switched] == []
    asking = pair.ask()
    pair.server.restart()
    pair.serves("172.17.2.1")
    pause(0.3)
    asked = asking.stop()
    print_losses(capsys, "the primary came back", asked)
    assert dns_client.failed(asked) == []


def test_no_question_is_lost_when_a_drain_begins_or_ends(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dir = pair.primary.path(STATE_DIR)
    asking = pair.ask()
    drain_orders.order(state_dir, drain_orders.Ordered("dns", "maintenance", since=time.time()))
    pair.serves("172.17.2.2")
    eventually(lambda: not pair.knows("172.17.2.1"), why="the drained service is withdrawn")
    pause(0.3)
    assert drain_orders.lift(state_dir, "dns")
    pair.serves("172.17.2.1")
    pause(0.3)
    asked = asking.stop()
    print_losses(capsys, "drained, and back", asked)
    assert dns_client.failed(asked) == []


def print_losses(capsys: pytest.CaptureFixture[str], what: str, asked: Sequence[Question]) -> None:
    """Print how many questions were lost, into the log of the tests."""
    with capsys.disabled():
        gone = dns_client.lost(asked)
        sys.stdout.write(f"{what}: {len(gone)} of {len(asked)} questions lost\n")
