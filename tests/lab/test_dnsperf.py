"""dnsperf in a host: what it counts is what happened."""

from __future__ import annotations

import pytest

from anycast_routed.lab import Host, LabError, dns, dnsperf, eventually

pytestmark = pytest.mark.integration


def test_it_asks_as_often_as_it_is_told(dns1: Host, up: Host) -> None:
    dns.nsd(dns1, address=("172.17.2.1",))
    result = dnsperf.start(up, "172.17.2.1", seconds=1, qps=200, clients=2).result()
    assert result.lost == 0
    assert result.sent == result.completed
    assert 100 <= result.sent <= 250
    assert 100 <= result.qps <= 250


def test_without_a_limit_it_asks_much_until_it_is_stopped(dns1: Host) -> None:
    dns.nsd(dns1)
    running = dnsperf.start(dns1, "127.0.0.1", seconds=600)
    # Each question is counted at the server, and each answer at dnsperf.
    eventually(lambda: dns1.udp("InDatagrams") > 3000, within=10.0, why="the server is asked")
    result = running.stop()
    assert result.completed >= 1000
    assert result.sent >= result.completed
    assert not running.daemon.alive


def test_a_failure_of_dnsperf_is_told(dns1: Host) -> None:
    running = dnsperf.start(dns1, "not an address", seconds=1)
    with pytest.raises(LabError, match="ended with code 1"):
        running.result()
