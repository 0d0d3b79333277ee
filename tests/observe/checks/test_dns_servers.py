"""The result of a check of real servers, healthy and with every kind of fault."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from anycast_routed.config import Dns
from anycast_routed.lab import Host, dns
from anycast_routed.model import CheckResult, Outcome
from anycast_routed.observe.checks.dns import check
from anycast_routed.observe.checks.dns_silence import ENOUGH, TRANSMISSIONS
from tests.observe.checks.scripted_server import PATIENT
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

Ask = Callable[..., CheckResult]
Inside = Callable[[Host, Callable[[], Any]], Any]
BIG = {"google.com.": tuple(f'google.com. 60 IN TXT "{i} {"x" * 200}"' for i in range(12))}

FORWARDING = """\
server:
  local-zone: "broken." transparent
  do-not-query-localhost: no
  ede: yes
  access-control: ::1/128 refuse
forward-zone:
  name: "broken."
  forward-addr: 127.0.0.1@5300
"""


def nft(host: Host, rule: str, *, hook: str = "input") -> None:
    chain = f"type filter hook {hook} priority 0\n{rule}\n"
    host.run("nft", "-f", "-", stdin=f"table inet t {{\nchain {hook} {{\n{chain}}}\n}}\n")


@pytest.mark.parametrize("start", [dns.unbound, dns.nsd])
def test_a_healthy_server_passes_with_one_query(
    host: Host, ask: Ask, start: Callable[..., object]
) -> None:
    start(host, address=("127.0.0.1", "::1"))
    for address in ("127.0.0.1", "::1"):
        result = ask(host, ip=address, query="GoogLE.com.", timeout=PATIENT)
        assert result.outcome is Outcome.PASS, result
        assert (result.rcode, result.transport, result.transmissions) == ("NOERROR", "udp", 1)
        assert result.latency is not None
        assert 0 < result.latency < PATIENT


def answered(result: CheckResult) -> CheckResult | None:
    """Return a result that the server has sent; None if nothing listens yet."""
    return None if "nothing listens" in result.reason else result


@pytest.mark.fault(4)
def test_a_refusal_of_unbound_without_a_question_is_a_refusal(host: Host, ask: Ask) -> None:
    refusing = "server:\n  access-control: ::1/128 refuse\n"
    dns.unbound(host, address=("127.0.0.1", "::1"), extra=refusing)
    refused = eventually(lambda: answered(ask(host, ip="::1")), why="unbound listens on ::1 too")
    assert (refused.outcome, refused.rcode, refused.reason) == (
        Outcome.FAIL,
        "REFUSED",
        "REFUSED",
    ), refused


def test_unbound_reports_why_it_cannot_answer(host: Host, ask: Ask) -> None:
    dns.nsd(host, port=5300)  # it refuses every name below "broken."
    dns.unbound(host, address=("127.0.0.1", "::1"), extra=FORWARDING)
    missing = ask(host, query="nowhere.google.com.")
    assert (missing.outcome, missing.reason) == (Outcome.FAIL, "NXDOMAIN")
    nodata = ask(host, rrtype="AAAA")
    assert (nodata.outcome, nodata.rcode) == (Outcome.FAIL, "NOERROR")
    assert nodata.reason == "NODATA: google.com. has no AAAA"
    refused = ask(host, ip="::1")
    assert (refused.outcome, refused.rcode) == (Outcome.FAIL, "REFUSED")
    assert refused.ede == ("18 (Prohibited)",)
    assert refused.reason == "REFUSED, EDE 18 (Prohibited)"
    broken = ask(host, query="www.broken.", timeout=PATIENT)
    assert (broken.outcome, broken.rcode) == (Outcome.FAIL, "SERVFAIL"), broken


def test_cnames_pass_and_referrals_without_an_answer_fail(host: Host, ask: Ask) -> None:
    records = (
        "www.google.com. 60 IN CNAME google.com.",
        "lost.google.com. 60 IN CNAME elsewhere.example.",
        "sub.google.com. 60 IN NS ns.elsewhere.example.",
    )
    dns.nsd(host, zones={"google.com.": records})
    assert ask(host, query="www.google.com.").outcome is Outcome.PASS
    lost = ask(host, query="lost.google.com.")
    assert lost.reason == "NODATA: elsewhere.example. has no SOA"
    lame = ask(host, query="www.sub.google.com.")
    assert (lame.outcome, lame.rcode) == (Outcome.FAIL, "NOERROR")
    assert lame.reason == "lame: referral to sub.google.com., no answer"
    assert ask(host, query="example.").rcode == "REFUSED"


def test_a_truncated_reply_is_requested_again_over_tcp(host: Host, ask: Ask) -> None:
    dns.unbound(host, zones=BIG)
    result = ask(host, rrtype="TXT", timeout=PATIENT)
    assert (result.outcome, result.transport, result.transmissions) == (Outcome.PASS, "tcp", 2)


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("tcp dport 53 drop", "truncated over UDP, and TCP gave no reply within 2 s"),
        (
            "tcp dport 53 reject with tcp reset",
            "truncated over UDP, and TCP failed: connection refused",
        ),
    ],
)
def test_a_truncated_reply_without_tcp_fails(host: Host, ask: Ask, rule: str, reason: str) -> None:
    dns.unbound(host, zones=BIG)
    nft(host, rule)
    result = ask(host, rrtype="TXT", timeout=2)
    assert (result.outcome, result.reason) == (Outcome.FAIL, reason)
    assert ask(host).outcome is Outcome.PASS, "a question that fits needs no TCP"


def test_a_killed_server_fails_at_the_first_query(host: Host, ask: Ask) -> None:
    server = dns.unbound(host)
    server.daemon.kill()
    result = ask(host, timeout=PATIENT)
    assert result.outcome is Outcome.FAIL
    assert result.transmissions <= 1
    assert result.reason == "connection refused: nothing listens on 127.0.0.1 port 53"


def test_a_stopped_server_fails_by_its_silence(host: Host, ask: Ask) -> None:
    server = dns.unbound(host)
    server.daemon.pause()
    result = ask(host, timeout=0.5)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "no reply within 0.5 s")
    assert result.latency is None
    assert ENOUGH <= result.transmissions <= TRANSMISSIONS, "fewer on a busy machine"
    server.daemon.resume()
    assert ask(host).outcome is Outcome.PASS


def test_dropped_packets_are_silence_and_a_filter_on_this_host_is_named(
    host: Host, ask: Ask
) -> None:
    dns.unbound(host)
    nft(host, "meta l4proto { tcp, udp } th dport 53 drop")
    result = ask(host, timeout=0.5)
    assert (result.outcome, result.reason) == (Outcome.FAIL, "no reply within 0.5 s")
    nft(host, "meta l4proto { tcp, udp } th dport 53 drop", hook="output")
    result = ask(host, timeout=0.5)
    assert result.outcome is Outcome.FAIL
    assert result.reason.endswith("a packet filter on this host drops the queries")


@pytest.mark.fault(12)
def test_a_check_passes_over_tcp_alone(host: Host, ask: Ask) -> None:
    dns.unbound(host)
    nft(host, "udp dport 53 drop")
    # The last transmission has a quarter of the timeout.
    result = ask(host, timeout=4)
    assert (result.outcome, result.transport) == (Outcome.PASS, "tcp")


def test_a_server_without_a_route_fails(host: Host, ask: Ask) -> None:
    result = ask(host, ip="192.0.2.53")
    assert (result.outcome, result.transmissions) == (Outcome.FAIL, 0)
    assert result.reason == "network is unreachable: 192.0.2.53 port 53"


@pytest.mark.fault(14)
def test_without_free_local_ports_the_result_is_unknown(host: Host, ask: Ask) -> None:
    server = dns.unbound(host)
    host.sysctl("net.ipv4.ip_local_port_range", "40000 40001")
    assert ask(host).outcome is Outcome.PASS
    server.daemon.pause()
    result = ask(host, timeout=0.5)
    assert result.outcome is Outcome.UNKNOWN, result
    assert result.reason.startswith("the check could not run: ")
    assert result.transmissions < ENOUGH


@pytest.mark.fault(7)
def test_a_check_passes_with_thirty_percent_loss_each_way(host: Host, inside: Inside) -> None:
    """One check of 200 may fail by chance: 4 in 100,000 do, and `fall` asks for two in a row."""
    dns.unbound(host)
    nft(host, 'iifname "lo" numgen random mod 100 < 30 drop')  # queries and replies both pass it
    question = Dns.model_validate({"ip": "127.0.0.1", "query": "google.com."})

    async def checks() -> list[CheckResult]:
        judged: list[CheckResult] = []
        async with asyncio.timeout(90):
            while len(judged) < 200:
                results = await asyncio.gather(*(check(question) for _ in range(40)))
                # Unknown: this machine was too busy.
                judged += [one for one in results if one.outcome is not Outcome.UNKNOWN]
        return judged

    judged = inside(host, lambda: asyncio.run(checks()))
    failed = [result for result in judged if result.outcome is Outcome.FAIL]
    assert len(failed) <= 1, failed
    assert sum(result.transmissions for result in judged) > 1.3 * len(judged), "packets were lost"
