"""DNS servers in a host."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Host, LabError, dns, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration

SOA = "ns.google.com. hostmaster.google.com. 1 900 900 1800 60"


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_answers_on_addresses_that_come_later(
    dns1: Host, up: Host, server: Callable[..., dns.Dns]
) -> None:
    server(dns1, address=("127.0.0.1", "10.10.10.10", "fd00:10::10"), identity="192.0.2.1")
    assert dns1.dig("@127.0.0.1", "google.com", "SOA") == SOA
    dns1.address("lo", "10.10.10.10/32", label="lo:dns1").address("lo", "fd00:10::10/128")
    up.route("fd00:10::10/128", "via", "fd00:17:2::1")
    for address in ("10.10.10.10", "fd00:10::10"):
        assert up.dig(f"@{address}", "google.com", "SOA") == SOA
        assert up.dig(f"@{address}", "hostname.bind", "CH", "TXT") == '"192.0.2.1"'
    assert up.dig("@172.17.2.1", "google.com", "SOA") == ""


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_is_killed_stopped_and_restarted(
    dns1: Host, server: Callable[..., dns.Dns]
) -> None:
    running = server(dns1, zones={"example.": ("www.example. 60 IN A 192.0.2.7",)}, port=5300)
    question = ("@127.0.0.1", "-p", "5300", "www.example")
    assert dns1.dig(*question) == "192.0.2.7"
    running.daemon.pause(whole=True)
    assert dns1.dig(*question) == ""
    running.daemon.resume()
    assert dns1.dig(*question) == "192.0.2.7"
    running.daemon.kill(whole=True)
    assert dns1.dig(*question) == ""
    running.restart()
    assert dns1.dig(*question) == "192.0.2.7"


def test_unbound_says_who_it_is_and_asks_nobody(dns1: Host) -> None:
    dns.unbound(dns1, identity="192.0.2.1", threads=2)
    assert dns1.dig("@127.0.0.1", "who") == "192.0.2.1"
    answer = dns1.run("dig", "@127.0.0.1", "elsewhere.test").out
    assert "NXDOMAIN" in answer


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_that_cannot_start_is_told(dns1: Host, server: Callable[..., dns.Dns]) -> None:
    with pytest.raises(LabError, match="ended with code 1"):
        server(dns1, address=("not an address",))


def test_a_zone_needs_its_dot(dns1: Host) -> None:
    with pytest.raises(LabError, match="not an absolute zone name"):
        dns.unbound(dns1, zones={"example": ()})


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_fails_one_zone_and_heals(dns1: Host, server: Callable[..., dns.Dns]) -> None:
    running = server(dns1, zones={"example.": (), "google.com.": ()})
    daemon = running.daemon
    for _ in range(2):
        running.servfail("google.com.")
        eventually(lambda: "SERVFAIL" in whole(dns1, "google.com"), within=5.0)
        assert "NOERROR" in whole(dns1, "example")
        running.heal("google.com.")
        eventually(lambda: SOA in whole(dns1, "google.com").replace("\t", " "), within=5.0)
    assert running.daemon is daemon
    assert daemon.alive


def whole(host: Host, name: str) -> str:
    return host.run("dig", "@127.0.0.1", name, "SOA", "+time=1", "+tries=1", check=False).out


def test_one_of_two_workers_is_stopped(dns1: Host) -> None:
    running = dns.nsd(dns1, workers=2)
    first, second = eventually(lambda: len(pids := running.workers()) == 2 and pids, within=5.0)
    os.kill(first, signal.SIGSTOP)
    # The kernel goes on giving the stopped one its share, by the client's port.
    answered: set[bool] = set()
    for port in range(40000, 40100):
        question = ("@127.0.0.1", "-b", f"127.0.0.1#{port}", "google.com", "SOA")
        answered.add(bool(dns1.dig(*question)))
        if len(answered) == 2:
            break
    assert answered == {True, False}
    os.kill(first, signal.SIGCONT)
    assert dns1.dig("@127.0.0.1", "google.com", "SOA") == SOA
    assert running.workers() == [first, second]


def test_nsd_cannot_fail_what_it_does_not_have(dns1: Host) -> None:
    with pytest.raises(LabError, match="no zone example"):
        dns.nsd(dns1).servfail("example.")
