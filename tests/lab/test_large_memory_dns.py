"""The DNS responder with much memory: it answers, keeps the memory, and dies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anycast_routed.lab import Host, LabError, eventually, large_memory_dns

pytestmark = pytest.mark.integration


def test_the_responder_answers_and_keeps_its_memory_resident(dns1: Host, upstream: Host) -> None:
    daemon = large_memory_dns.start(dns1, gib=0.125, address="172.17.2.1")
    answer = upstream.run("dig", "@172.17.2.1", "google.com", "SOA", within=30).out
    assert "NOERROR" in answer
    assert ";google.com." in answer
    rss = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{daemon.pid}/status").read_text())
    assert rss
    assert int(rss[1]) >= 128 << 10
    daemon.kill()
    eventually(lambda: not dns1.listens(53, protocol="udp"), within=20)


@pytest.mark.parametrize("odd", [b"\0" * 13, b"\0" * 12 + b"\x3fabc", b"\xff" * 600])
def test_the_responder_survives_a_malformed_question(dns1: Host, odd: bytes) -> None:
    daemon = large_memory_dns.start(dns1, gib=0.001)
    escaped = "".join(f"\\x{byte:02x}" for byte in odd)
    dns1.run("bash", "-c", f"printf '{escaped}' > /dev/udp/127.0.0.1/53")
    assert "NOERROR" in dns1.run("dig", "@127.0.0.1", "google.com", "SOA", within=30).out
    assert daemon.alive


def test_a_responder_that_cannot_start_is_reported(dns1: Host) -> None:
    with pytest.raises(LabError, match="ended with code 1"):
        large_memory_dns.start(dns1, gib=0.001, address="192.0.2.1")
