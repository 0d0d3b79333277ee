"""The client that counts lost questions: it loses none itself, and each that the server loses."""

from __future__ import annotations

import time

import pytest

from anycast_routed.lab import Host, LabError, dns, dns_client, eventually
from anycast_routed.lab.dns_client_process import QuestionLog

pytestmark = pytest.mark.integration


def asked_for(seconds: float, running: dns_client.Client) -> tuple[dns_client.Question, ...]:
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= end, within=seconds + 1, why="the client asks")
    return running.stop()


@pytest.mark.parametrize("address", ["172.17.2.1", "fd00:17:2:0::1"])
def test_each_question_to_a_healthy_server_is_answered(dns1: Host, up: Host, address: str) -> None:
    dns.nsd(dns1, address=("172.17.2.1", "fd00:17:2::1"))
    asked = asked_for(1.0, dns_client.start(up, address))
    assert dns_client.failed(asked) == []
    assert len(asked) >= 1000 * (asked[-1].at - asked[0].at)
    assert [one.at for one in asked] == sorted(one.at for one in asked)
    assert all(one.took is not None and 0 < one.took < 2 for one in asked)


def test_what_a_dead_server_misses_is_lost(dns1: Host, up: Host) -> None:
    server = dns.unbound(dns1, address=("172.17.2.1",))
    running = dns_client.start(up, "172.17.2.1", ports=2)
    asked_at = time.monotonic()
    eventually(lambda: time.monotonic() > asked_at + 0.2, within=1.0)
    before = time.monotonic()
    server.daemon.kill()
    killed = time.monotonic()
    eventually(lambda: time.monotonic() > killed + 0.2, within=1.0)
    server.restart()
    back = time.monotonic()
    asked = asked_for(0.3, running)
    gone = dns_client.lost(asked)
    assert gone
    assert all(before - 0.1 < one.at < back + 0.1 for one in gone)
    assert all(one in gone for one in asked if killed < one.at < killed + 0.19)
    assert asked[-1] not in gone


def test_an_error_is_an_answer_that_does_not_help(dns1: Host) -> None:
    dns.unbound(dns1).servfail("google.com.")
    asked = asked_for(0.1, dns_client.start(dns1, "127.0.0.1", rate=100))
    assert {one.rcode for one in asked} == {2}
    assert dns_client.lost(asked) == []
    assert dns_client.failed(asked) == list(asked)


def test_without_a_route_every_question_is_lost(dns1: Host) -> None:
    asked = asked_for(0.1, dns_client.start(dns1, "192.0.2.1", rate=100))
    assert dns_client.lost(asked) == list(asked)
    assert len(asked) >= 10


def test_a_client_that_cannot_start_is_told(dns1: Host) -> None:
    with pytest.raises(LabError, match="ended with code 1"):
        dns_client.start(dns1, "not an address")


def test_replies_that_answer_nothing_change_nothing() -> None:
    questions = QuestionLog(b"\0")
    sent = [questions.next() for _ in range(3)]
    for odd in (b"", sent[1][:11], sent[1], b"\0\x03\x80\0" + b"\0" * 8):
        questions.answered(odd)
    assert questions.took == [None] * 3
    questions.answered(b"\0\x01\x84\x03" + b"\0" * 8)
    questions.answered(b"\0\x01\x84\0" + b"\0" * 8)
    assert questions.rcodes == [None, 3, None]
    assert not questions.is_complete()
    questions.sent[2] -= 2.1
    questions.answered(b"\0\x02\x84\0" + b"\0" * 8)
    assert questions.took[2] is None
