"""Several services whose servers answer wrongly, late, or over some protocols only."""

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
    """Return the config of a service with one prefix."""
    question = {"ip": "127.0.0.1", "query": "google.com", **QUICK, **asked}
    routes = [{"label": name, "ip": PREFIX[name]}]
    return {
        "name": name,
        "dns": question,
        "anycast": {"nexthop-interface": "eth0", "routes": routes},
    }


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return six services: five of one server, over all protocols, and one of another."""
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
    """Return a list for the other server, which tests replace."""
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
    """Return the routes while all services are up."""
    return {prefix: (100, "fd00:17:2::1" if ":" in prefix else HOP) for prefix in PREFIX.values()}


def without(announced: Held, *names: str) -> Held:
    """Return the routes while these services are down."""
    gone = {PREFIX[name] for name in names}
    return {prefix: route for prefix, route in announced.items() if prefix not in gone}


def wait_for_reason(watched: Watched, name: str, reason: str) -> None:
    """Wait until the status shows this reason for the service."""
    eventually(lambda: reason in watched.reason(name), why=f"{name}: {reason}")


def withdrawn_and_announced_again(
    watched: Watched, announced: Held, mark: int, reason: str, *names: str
) -> None:
    """Wait until only these services are withdrawn for this reason, each once; end the fault.

    `mark` is from before the fault.
    """
    watched.holds(without(announced, *names))
    for name in names:
        wait_for_reason(watched, name, reason)
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
def test_a_negative_answer_withdraws_and_reports_its_reason(
    watched: Watched, announced: Held, kind: str, reason: str
) -> None:
    mark = watched.mark()
    watched.dns1.run("unbound-control", "-c", UNBOUND_CONF, "local_zone", "google.com.", kind)
    withdrawn_and_announced_again(watched, announced, mark, reason, *UNBOUNDS)


@pytest.mark.fault(4)
def test_an_extended_dns_error_is_reported_with_the_withdrawal(
    watched: Watched, announced: Held
) -> None:
    conf = watched.dns1.read(UNBOUND_CONF)
    watched.dns1.write(UNBOUND_CONF, conf + REFUSING)
    watched.server.restart()
    watched.dns1.write(UNBOUND_CONF, conf)
    reason = "REFUSED, EDE 18 (Prohibited)"
    for name in ("dns", "big"):
        wait_for_reason(watched, name, reason)
    watched.holds(without(announced, "dns", "big", "slow"))
    watched.server.restart()
    watched.holds(announced)


@pytest.mark.fault(4)
def test_a_lame_server_is_withdrawn_and_its_referral_reported(
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
    wait_for_reason(watched, "other", reason)
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
def test_without_tcp_only_a_service_with_truncated_answers_is_withdrawn(
    watched: Watched, announced: Held, verdict: str, reason: str
) -> None:
    mark = watched.mark()
    watched.nft(f"tcp dport 53 {verdict}")
    withdrawn_and_announced_again(watched, announced, mark, reason, "big")


@pytest.mark.fault(6)
def test_a_slow_server_that_answers_before_the_timeout_stays_announced(watched: Watched) -> None:
    watched.no_update_for(2)
    assert watched.status().health["slow"].verdict is Verdict.UP


@pytest.mark.fault(7)
def test_thirty_percent_packet_loss_in_each_direction_changes_nothing(watched: Watched) -> None:
    # Both questions and replies are dropped; TCP is not, as its retries exceed the timeout.
    for way in ("dport", "sport"):
        watched.nft(f'iifname "lo" udp {way} 53 numgen random mod 100 < 30 drop')
    watched.no_update_for(4)


@pytest.mark.fault(12)
def test_without_ipv6_only_the_service_that_is_checked_over_it_is_withdrawn(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.nft(f"meta nfproto ipv6 {DNS} drop")
    withdrawn_and_announced_again(watched, announced, mark, "", "six")


@pytest.mark.fault(11)
def test_a_server_that_does_not_listen_on_the_anycast_address_is_withdrawn_there(
    watched: Watched, announced: Held
) -> None:
    conf = watched.dns1.read(UNBOUND_CONF)
    watched.dns1.write(UNBOUND_CONF, conf.replace(f"  interface: {ANYCAST}\n", ""))
    watched.server.daemon.kill()
    watched.holds({PREFIX["other"]: announced[PREFIX["other"]]})  # this service has another server
    watched.server.restart()
    watched.dns1.write(UNBOUND_CONF, conf)
    watched.holds(without(announced, "anycast"))
    wait_for_reason(watched, "anycast", f"nothing listens on {ANYCAST} port 53")
    mark = watched.mark()
    watched.no_update_for(0.3)
    watched.server.restart()
    watched.holds(announced)
    assert ("withdraw", PREFIX["anycast"]) not in watched.updates(mark)


@pytest.mark.fault(2)
def test_a_hung_server_delays_neither_other_services_nor_the_status(
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
