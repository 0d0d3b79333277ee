"""The host's resolver is the checked DNS server: anycast-routed never resolves a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import dns
from tests.support.waiting import eventually
from tests.support.watched_site import Watched, each

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(38)]

RESOLVER = "127.0.0.53"
"""Another address of the server, which no check asks."""
RULES = f"""\
table inet asked {{
  chain out {{
    type filter hook output priority 0
    ip daddr {RESOLVER} th dport 53 counter
  }}
}}
"""
VERBS = ("status", "explain 10.10.10.10/32", "reload", "drain dns", "undrain dns")


@pytest.fixture(scope="module")
def running(laid_out: Watched) -> Watched:
    """Make the server the host's resolver, count the host's questions, and start the daemon."""
    dns1 = laid_out.dns1
    laid_out.server.daemon.kill()
    both = ("127.0.0.1", RESOLVER)
    laid_out.server = dns.unbound(dns1, zones={"google.com.": ()}, address=both)
    dns1.write("/etc/resolv.conf", f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")
    dns1.write("/etc/nsswitch.conf", "hosts: dns\n")
    dns1.run("nft", "-f", "-", stdin=RULES)
    laid_out.start_daemon()
    return laid_out


def questions(watched: Watched) -> int:
    """Count the questions of the host to its resolver."""
    rules = json.loads(watched.dns1.run("nft", "--json", "list", "table", "inet", "asked").out)
    (rule,) = (one["rule"] for one in rules["nftables"] if "rule" in one)
    counts: list[int] = [one["counter"]["packets"] for one in rule["expr"] if "counter" in one]
    return counts[0]


def test_anycast_routed_never_resolves_a_name(watched: Watched, announced: Held) -> None:
    watched.status_agrees()
    mark = watched.mark()
    watched.server.daemon.kill()
    watched.holds({})
    for verb in VERBS:
        watched.run(*verb.split())
    watched.stop_daemon()
    watched.run("apply")
    watched.server.restart()
    watched.start_daemon()
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", announced) + each("announce", announced)
    assert questions(watched) == 0
    watched.dns1.run("getent", "hosts", "example.org", check=False)
    eventually(lambda: questions(watched) > 0, why="the counter counts questions")
