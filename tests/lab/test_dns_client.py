"""The DNS client counts exactly the questions that the server does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, LabError, dns, dns_client, eventually
from anycast_routed.lab.dns_client_process import QuestionLog

if TYPE_CHECKING:
    from anycast_routed.lab import Family

pytestmark = pytest.mark.integration

# So few questions a second that the socket buffer of a server that waits for a processor never
# overflows: it holds more than 200.
RATE = 100.0


def await_more(host: Host, counter: str, count: int, family: Family = "ipv4") -> None:
    """Wait until a UDP counter of the host has grown by `count`."""
    before = host.udp(counter, family)
    eventually(
        lambda: host.udp(counter, family) >= before + count,
        within=30,
        why=f"{counter} of {host.name} grows by {count}",
    )


@pytest.mark.parametrize(
    ("address", "family"), [("172.17.2.1", "ipv4"), ("fd00:17:2:0::1", "ipv6")]
)
def test_a_healthy_server_answers_every_question(
    dns1: Host, upstream: Host, address: str, family: Family
) -> None:
    dns.nsd(dns1, address=("172.17.2.1", "fd00:17:2::1"))
    client = dns_client.start(upstream, address, rate=RATE)
    await_more(dns1, "InDatagrams", 50, family)
    questions = client.stop()
    assert dns_client.failed(questions) == []
    assert len(questions) >= RATE * (questions[-1].at - questions[0].at)
    assert [one.at for one in questions] == sorted(one.at for one in questions)
    assert all(one.took is not None and one.took > 0 for one in questions)


def test_questions_to_a_dead_server_are_lost(dns1: Host, upstream: Host) -> None:
    server = dns.unbound(dns1, address=("172.17.2.1",))
    client = dns_client.start(upstream, "172.17.2.1", ports=2, rate=RATE)
    await_more(dns1, "InDatagrams", 20)
    server.daemon.kill()
    killed = time.monotonic()
    await_more(dns1, "NoPorts", 20)
    starting = time.monotonic()
    server.restart()
    listening = time.monotonic()
    await_more(dns1, "InDatagrams", 20)
    questions = client.stop()
    lost = dns_client.lost(questions)
    meanwhile = [question for question in questions if killed < question.at < starting]
    assert len(meanwhile) >= 10
    # The client stamps a question before it sends it, so one of them may reach the new server.
    assert sum(question not in lost for question in meanwhile) <= 1
    assert all(question.at < listening for question in lost)
    assert questions[0] not in lost


def test_an_answer_with_an_error_counts_as_failed_and_not_as_lost(dns1: Host) -> None:
    dns.unbound(dns1).servfail("google.com.")
    client = dns_client.start(dns1, "127.0.0.1", rate=RATE)
    await_more(dns1, "InDatagrams", 10)
    questions = client.stop()
    assert {question.rcode for question in questions} == {2}
    assert dns_client.lost(questions) == []
    assert dns_client.failed(questions) == list(questions)


def test_without_a_route_every_question_is_lost(dns1: Host) -> None:
    questions = dns_client.start(dns1, "192.0.2.1", rate=RATE).stop()
    assert questions
    assert dns_client.lost(questions) == list(questions)


def test_a_client_that_cannot_start_is_reported(dns1: Host) -> None:
    with pytest.raises(LabError, match="ended with code 1"):
        dns_client.start(dns1, "not an address")


def test_replies_that_match_no_open_question_are_ignored() -> None:
    log = QuestionLog(b"\0")
    sent = [log.next() for _ in range(3)]
    empty, truncated, query, unknown_id = b"", sent[1][:11], sent[1], b"\0\x03\x80\0" + b"\0" * 8
    for odd in (empty, truncated, query, unknown_id):
        log.answered(odd)
    assert log.took == [None] * 3
    nxdomain, second_reply = b"\0\x01\x84\x03" + b"\0" * 8, b"\0\x01\x84\0" + b"\0" * 8
    log.answered(nxdomain)
    log.answered(second_reply)
    assert log.rcodes == [None, 3, None]
    assert not log.is_complete()
    log.sent[2] -= 2.1
    late_reply = b"\0\x02\x84\0" + b"\0" * 8
    log.answered(late_reply)
    assert log.took[2] is None
