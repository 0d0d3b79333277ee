"""Several services, whose servers answer wrongly, late, or by some ways only: each has its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns
from anycast_routed.model import Verdict
from tests.support.paths import SUPPORT
from tests.support.waiting import eventually
from tests.support.watched_site import DNS, QUICK, Watched, each, quick

if TYPE_CHECKING:
    from anycast_routed.lab.dns import Nsd
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

UPSTREAM = SUPPORT / "slow_upstream.py"
OTHER_PORT, UPSTREAM_PORT = 5300, 5301
HOP = "172.17.2.1"
BIG = {"google.com.": tuple(f'google.com. 60 IN TXT "{i} {"x" * 200}"' for i in range(12))}
RESOLVING = f"""\
server:
  ede: yes
  local-zone: "slow." transparent
forward-zone:
  name: "slow."
  forward-addr: {HOP}@{UPSTREAM_PORT}
"""
REFUSING = "server:\n  access-control: 127.0.0.0/8 refuse\n"
UNBOUND_CONF = "/etc/unbound/unbound.conf"
ANYCAST = "10.10.10.10"
PREFIX = {
    "dns": "10.30.0.4/32",
    "six": "fd00::10:10:10:10/128",
    "big": "10.30.0.1/32",
    "slow": "10.30.0.2/32",
    "other": "10.30.0.3/32",
    "anycast": f"{ANYCAST}/32",
}


def service(name: str, **asked: object) -> dict[str, Any]:
    """Configure a service that holds up one prefix."""
    question = {"ip": "127.0.0.1", "query": "google.com", **QUICK, **asked}
    routes = [{"label": name, "ip": PREFIX[name]}]
    return {
        "name": name,
        "dns": question,
        "anycast": {"nexthop-interface": "eth0", "routes": routes},
    }


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Have six services: of one server by all ways, and one of another server."""
    services = [
        service("dns"),
        service("six", ip="::1"),
        service("big", rrtype="TXT"),
        service("slow", query="slow", timeout="1s"),
        service("other", port=OTHER_PORT),
        service("anycast", ip=ANYCAST),
    ]
    return {"services": services, "bgp": quick()["bgp"]}


@pytest.fixture(scope="module")
def other() -> list[Nsd]:
    """Hold the other server."""
    return []


@pytest.fixture(scope="module")
def running(laid_out: Watched, other: list[Nsd]) -> Watched:
    """Start the servers, and the daemon."""
    made = laid_out
    made.server.daemon.kill()
    upstream = (sys.executable, str(UPSTREAM), HOP, str(UPSTREAM_PORT), "0.3")
    slow = made.dns1.start(*upstream, name="upstream")
    eventually(lambda: slow.check() and made.dns1.listens(UPSTREAM_PORT, protocol="udp"))
    other.append(dns.nsd(made.dns1, port=OTHER_PORT))
    all_of_them = ("127.0.0.1", "::1", ANYCAST)
    made.server = dns.unbound(made.dns1, zones=BIG, address=all_of_them, extra=RESOLVING)
    made.start_daemon()
    return made


@pytest.fixture
def announced() -> Held:
    """Return what is announced while all are well."""
    return {prefix: (100, "fd00:17:2::1" if ":" in prefix else HOP) for prefix in PREFIX.values()}


def without(announced: Held, *names: str) -> Held:
    """Return what is announced when these services are down."""
    gone = {PREFIX[name] for name in names}
    return {prefix: route for prefix, route in announced.items() if prefix not in gone}


def is_said(watched: Watched, name: str, reason: str) -> None:
    """Wait until the status gives this reason for the service."""
    eventually(lambda: reason in watched.reason(name), why=f"{name}: {reason}")


def down_for(watched: Watched, announced: Held, mark: int, reason: str, *names: str) -> None:
    """Wait until just these services are withdrawn for this reason, each once; heal them.

    `mark` is of the moment before their fault.
    """
    watched.holds(without(announced, *names))
    for name in names:
        is_said(watched, name, reason)
    watched.end_faults()
    watched.holds(announced)
    gone = [PREFIX[name] for name in names]
    assert watched.updates(mark) == each("withdraw", gone) + each("announce", gone)


UNBOUNDS = ("dns", "six", "big", "anycast")


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("always_transparent", "SERVFAIL"),
        ("always_refuse", "REFUSED"),
        ("always_nxdomain", "NXDOMAIN"),
        ("always_nodata", "NODATA: google.com. has no "),
    ],
)
def test_an_answer_that_does_not_help_withdraws_with_its_reason(
    watched: Watched, announced: Held, kind: str, reason: str
) -> None:
    mark = watched.mark()
    watched.dns1.run("unbound-control", "-c", UNBOUND_CONF, "local_zone", "google.com.", kind)
    down_for(watched, announced, mark, reason, *UNBOUNDS)


@pytest.mark.fault(4)
def test_a_server_that_says_why_it_refuses_is_withdrawn_with_the_extended_error(
    watched: Watched, announced: Held
) -> None:
    conf = watched.dns1.read(UNBOUND_CONF)
    watched.dns1.write(UNBOUND_CONF, conf + REFUSING)
    watched.server.restart()
    watched.dns1.write(UNBOUND_CONF, conf)
    reason = "REFUSED, EDE 18 (Prohibited)"
    for name in ("dns", "big"):
        is_said(watched, name, reason)
    watched.holds(without(announced, "dns", "big", "slow"))
    watched.server.restart()
    watched.holds(announced)


@pytest.mark.fault(4)
def test_a_lame_server_is_withdrawn_and_says_whom_it_refers_to(
    watched: Watched, announced: Held, other: list[Nsd]
) -> None:
    [healthy] = other
    healthy.daemon.kill(whole=True)
    lame = dns.nsd(
        watched.dns1,
        port=OTHER_PORT,
        zones={"com.": ("google.com. 60 IN NS ns.elsewhere.",)},
    )
    watched.holds(without(announced, "other"))
    reason = "lame: referral to google.com."
    is_said(watched, "other", reason)
    lame.daemon.kill(whole=True)
    other[0] = dns.nsd(watched.dns1, port=OTHER_PORT)
    watched.holds(announced)


@pytest.mark.fault(12)
@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ("drop", "truncated over UDP, and TCP gave no reply within 0.4 s"),
        ("reject with tcp reset", "truncated over UDP, and TCP failed: connection refused"),
    ],
)
def test_without_tcp_only_what_does_not_fit_into_udp_is_withdrawn(
    watched: Watched, announced: Held, verdict: str, reason: str
) -> None:
    mark = watched.mark()
    watched.nft(f"tcp dport 53 {verdict}")
    down_for(watched, announced, mark, reason, "big")


@pytest.mark.fault(6)
def test_a_server_that_is_slow_but_in_time_stays_announced(watched: Watched) -> None:
    watched.no_update_for(2)
    assert watched.status().health["slow"].verdict is Verdict.UP


@pytest.mark.fault(7)
def test_thirty_percent_loss_each_way_changes_nothing(watched: Watched) -> None:
    # Questions and replies both pass it. A reply that needs TCP needs more time than these checks.
    for way in ("dport", "sport"):
        watched.nft(f'iifname "lo" udp {way} 53 numgen random mod 100 < 30 drop')
    watched.no_update_for(4)


@pytest.mark.fault(12)
def test_ipv6_alone_dead_withdraws_only_what_is_checked_over_it(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.nft(f"meta nfproto ipv6 {DNS} drop")
    down_for(watched, announced, mark, "", "six")


@pytest.mark.fault(11)
def test_a_server_that_no_longer_listens_on_the_anycast_address_is_withdrawn_from_there(
    watched: Watched, announced: Held
) -> None:
    conf = watched.dns1.read(UNBOUND_CONF)
    watched.dns1.write(UNBOUND_CONF, conf.replace(f"  interface: {ANYCAST}\n", ""))
    watched.server.daemon.kill()
    watched.holds({PREFIX["other"]: announced[PREFIX["other"]]})  # another server's
    watched.server.restart()
    watched.dns1.write(UNBOUND_CONF, conf)
    watched.holds(without(announced, "anycast"))
    is_said(watched, "anycast", f"nothing listens on {ANYCAST} port 53")
    mark = watched.mark()
    watched.no_update_for(0.3)
    watched.server.restart()
    watched.holds(announced)
    assert ("withdraw", PREFIX["anycast"]) not in watched.updates(mark)


@pytest.mark.fault(2)
def test_a_hung_server_holds_up_neither_other_services_nor_the_status(
    watched: Watched, announced: Held, other: list[Nsd]
) -> None:
    mark = watched.mark()
    other[0].daemon.pause(whole=True)
    watched.holds(without(announced, "other"))
    watched.server.daemon.kill()
    watched.holds({})
    verdicts = dict.fromkeys(PREFIX, Verdict.DOWN)
    eventually(
        lambda: {name: one.verdict for name, one in watched.status().health.items()} == verdicts,
        why="the status says so",
    )
    watched.server.restart()
    watched.holds(without(announced, "other"))
    other[0].daemon.resume()
    watched.holds(announced)
    everything = PREFIX.values()
    assert watched.updates(mark) == each("withdraw", everything) + each("announce", everything)
