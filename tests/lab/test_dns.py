"""DNS servers in a host of the lab."""

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


def await_answer(host: Host, *question: str, answer: str) -> None:
    """Ask with dig until this is the short answer."""
    why = f"{' '.join(question)} gives {answer}"
    eventually(lambda: host.dig(*question) == answer, within=20, why=why)


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_answers_on_addresses_that_the_host_gets_later(
    dns1: Host, upstream: Host, server: Callable[..., dns.Dns]
) -> None:
    server(dns1, address=("127.0.0.1", "10.10.10.10", "fd00:10::10"), identity="192.0.2.1")
    await_answer(dns1, "@127.0.0.1", "google.com", "SOA", answer=SOA)
    dns1.address("lo", "10.10.10.10/32", label="lo:dns1").address("lo", "fd00:10::10/128")
    upstream.route("fd00:10::10/128", "via", "fd00:17:2::1")
    for address in ("10.10.10.10", "fd00:10::10"):
        await_answer(upstream, f"@{address}", "google.com", "SOA", answer=SOA)
        identity = (f"@{address}", "hostname.bind", "CH", "TXT")
        await_answer(upstream, *identity, answer='"192.0.2.1"')
    assert upstream.dig("@172.17.2.1", "google.com", "SOA") == ""


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_is_paused_killed_and_restarted(
    dns1: Host, server: Callable[..., dns.Dns]
) -> None:
    running = server(dns1, zones={"example.": ("www.example. 60 IN A 192.0.2.7",)}, port=5300)
    question = ("@127.0.0.1", "-p", "5300", "www.example")
    await_answer(dns1, *question, answer="192.0.2.7")
    running.daemon.pause(whole=True)
    assert dns1.dig(*question) == ""
    running.daemon.resume()
    await_answer(dns1, *question, answer="192.0.2.7")
    running.daemon.kill(whole=True)
    assert dns1.dig(*question) == ""
    running.restart()
    await_answer(dns1, *question, answer="192.0.2.7")


def test_unbound_has_an_identity_and_sends_no_queries(dns1: Host) -> None:
    dns.unbound(dns1, identity="192.0.2.1", threads=2)
    await_answer(dns1, "@127.0.0.1", "who", answer="192.0.2.1")
    assert "NXDOMAIN" in whole_reply(dns1, "elsewhere.test")


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_a_server_that_cannot_start_is_reported(dns1: Host, server: Callable[..., dns.Dns]) -> None:
    with pytest.raises(LabError, match="ended with code 1"):
        server(dns1, address=("not an address",))


def test_a_zone_name_without_a_final_dot_is_refused(dns1: Host) -> None:
    with pytest.raises(LabError, match="not an absolute zone name"):
        dns.unbound(dns1, zones={"example": ()})


@pytest.mark.parametrize("server", [dns.unbound, dns.nsd])
def test_servfail_affects_one_zone_until_heal(dns1: Host, server: Callable[..., dns.Dns]) -> None:
    running = server(dns1, zones={"example.": (), "google.com.": ()})
    daemon = running.daemon
    for _ in range(2):
        running.servfail("google.com.")
        eventually(lambda: "SERVFAIL" in whole_reply(dns1, "google.com"), within=20)
        eventually(lambda: "NOERROR" in whole_reply(dns1, "example"), within=20)
        running.heal("google.com.")
        await_answer(dns1, "@127.0.0.1", "google.com", "SOA", answer=SOA)
    assert running.daemon is daemon
    assert daemon.alive


def whole_reply(host: Host, name: str) -> str:
    """Ask for the SOA of `name`, and return the whole reply as dig prints it."""
    return host.run("dig", "@127.0.0.1", name, "SOA", check=False, within=30).out


def test_the_kernel_still_sends_questions_to_a_stopped_nsd_worker(dns1: Host) -> None:
    running = dns.nsd(dns1, workers=2)
    first, second = eventually(lambda: len(pids := running.workers()) == 2 and pids, within=20)
    os.kill(first, signal.SIGSTOP)
    # The kernel chooses the worker by the port of the client, also a stopped worker.
    answered: set[bool] = set()
    for port in range(40000, 40100):
        question = ("@127.0.0.1", "-b", f"127.0.0.1#{port}", "google.com", "SOA")
        answered.add(bool(dns1.dig(*question)))
        if len(answered) == 2:
            break
    assert answered == {True, False}
    os.kill(first, signal.SIGCONT)
    await_answer(dns1, "@127.0.0.1", "google.com", "SOA", answer=SOA)
    assert running.workers() == [first, second]


def test_servfail_for_a_zone_that_nsd_does_not_serve_is_refused(dns1: Host) -> None:
    with pytest.raises(LabError, match="no zone example"):
        dns.nsd(dns1).servfail("example.")
