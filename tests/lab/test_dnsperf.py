"""dnsperf in a host of the lab: its counters match what happened."""

from __future__ import annotations

import pytest

from anycast_routed.lab import Host, LabError, dns, dnsperf, eventually

pytestmark = pytest.mark.integration


def test_dnsperf_keeps_to_the_rate_limit(dns1: Host, upstream: Host) -> None:
    dns.nsd(dns1, address=("172.17.2.1",))
    result = dnsperf.start(upstream, "172.17.2.1", seconds=1, qps=200, clients=2).result()
    assert result.lost == 0
    assert result.sent == result.completed
    # On a busy machine dnsperf sends less than its limit allows.
    assert 0 < result.sent <= 250
    assert 0 < result.qps <= 250


def test_without_a_limit_dnsperf_asks_fast_until_it_is_stopped(dns1: Host) -> None:
    dns.nsd(dns1)
    running = dnsperf.start(dns1, "127.0.0.1", seconds=600)
    # The host counts each question that reaches the server; dnsperf counts each answer.
    eventually(lambda: dns1.udp("InDatagrams") > 3000, within=30, why="the server gets questions")
    result = running.stop()
    assert result.completed >= 1000
    assert result.sent >= result.completed
    assert not running.daemon.alive


def test_a_failure_of_dnsperf_is_reported(dns1: Host) -> None:
    running = dnsperf.start(dns1, "not an address", seconds=1)
    with pytest.raises(LabError, match="ended with code 1"):
        running.result()
