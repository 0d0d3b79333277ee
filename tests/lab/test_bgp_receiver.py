"""The BGP receiver records each change of a route exactly once, and survives any message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import (
    Host,
    Lab,
    LabError,
    Route,
    bgp_messages,
    bgp_receiver,
    bird,
    eventually,
    gobgp,
)

if TYPE_CHECKING:
    from anycast_routed.lab.bird import Bird

pytestmark = pytest.mark.integration

FRAGMENT = """
ipv4 table anycast4;
ipv6 table anycast6;
protocol static anycast_v4 {
  ipv4 { table anycast4; };
  route 10.10.10.10/32 blackhole { bgp_local_pref = 200; };
  route 10.10.10.11/32 blackhole { bgp_local_pref = 200; };
}
protocol static anycast_v6 {
  ipv6 { table anycast6; };
  route fd00:10::10/128 blackhole { bgp_local_pref = 300; };
}
protocol bgp upstream {
  local 172.17.2.1 as 64512; neighbor 172.17.2.254 as 64512;
  connect delay time 1; connect retry time 1;
  ipv4 { table anycast4; export all; next hop address 172.17.2.1; };
  ipv6 { table anycast6; export all; next hop address fd00:17:2::1; };
}
"""


def start(upstream: Host) -> bgp_receiver.Receiver:
    peers = {"172.17.2.1": 64512, "172.17.2.2": 65001}
    return bgp_receiver.start(upstream, asn=64512, router_id="172.17.2.254", peers=peers)


def announce(dns1: Host, listener: bgp_receiver.Receiver) -> Bird:
    """Start BIRD on dns1; return when the receiver has its three routes."""
    router = bird.start(dns1, bird.STOCK + FRAGMENT)
    eventually(lambda: router.birdc("show status") and len(listener.table()) == 3, within=30)
    return router


def test_routes_are_recorded_with_their_attributes(dns1: Host, upstream: Host) -> None:
    listener = start(upstream)
    router = announce(dns1, listener)
    assert listener.sessions() == {"172.17.2.1"}
    assert listener.table() == {
        "10.10.10.10/32": Route("10.10.10.10/32", "172.17.2.1", 200, peer="172.17.2.1"),
        "10.10.10.11/32": Route("10.10.10.11/32", "172.17.2.1", 200, peer="172.17.2.1"),
        "fd00:10::10/128": Route("fd00:10::10/128", "fd00:17:2::1", 300, peer="172.17.2.1"),
    }

    def ends_of_rib() -> list[str]:
        return sorted(event.text for event in listener.events() if event.kind == "end-of-rib")

    eventually(lambda: ends_of_rib() == ["ipv4", "ipv6"], within=20)

    mark = listener.mark()
    before = time.monotonic()
    router.configure((bird.STOCK + FRAGMENT).replace("route 10.10.10.10/32", "# route"))
    eventually(lambda: listener.since(mark), within=20)
    (event,) = listener.since(mark)
    assert (event.kind, event.prefix) == ("withdraw", "10.10.10.10/32")
    assert before < event.at < time.monotonic()
    assert "10.10.10.10/32" not in listener.table()

    router.daemon.kill()
    eventually(lambda: not listener.sessions(), within=60)
    assert listener.events()[-1].kind == "down"
    assert listener.table() == {}


def test_prefixes_of_one_update_share_its_number(dns1: Host, upstream: Host) -> None:
    listener = start(upstream)
    router = announce(dns1, listener)
    mark = listener.mark()
    router.birdc("disable anycast_v4")
    eventually(lambda: len(listener.without_end_of_rib(mark)) >= 2, within=20)
    events = listener.without_end_of_rib(mark)
    assert sorted(event.prefix for event in events) == ["10.10.10.10/32", "10.10.10.11/32"]
    assert {event.kind for event in events} == {"withdraw"}
    assert len({event.update for event in events}) == 1


def test_routes_of_an_ebgp_peer_with_a_four_octet_as_number_are_recorded(
    dns1: Host, upstream: Host
) -> None:
    listener = bgp_receiver.start(
        upstream, asn=4_200_000_001, router_id="172.17.2.254", peers={"172.17.2.1": 4_200_000_002}
    )
    peer = gobgp.start(dns1, 4_200_000_002, "172.17.2.1", {"172.17.2.254": 4_200_000_001})
    peer.gobgp("global", "rib", "add", "10.1.0.0/16", "community", "65535:666", "med", "9")
    route = eventually(lambda: listener.table().get("10.1.0.0/16"), within=20)
    assert route.as_path == (4_200_000_002,)
    assert (route.local_pref, route.med, route.communities) == (None, 9, ("65535:666",))


def test_a_silent_peer_loses_its_session_when_the_hold_time_is_over(
    dns1: Host, upstream: Host
) -> None:
    listener = bgp_receiver.start(
        upstream, asn=64512, router_id="172.17.2.254", peers={"172.17.2.1": 64512}, hold_time=3
    )
    router = bird.start(dns1, bird.STOCK + FRAGMENT)
    eventually(listener.sessions, within=20)
    router.daemon.pause()
    eventually(lambda: not listener.sessions(), within=20)
    assert "hold timer" in listener.events()[-1].text


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n" + b"x" * 40,
        bgp_messages.open_message(65099, 90, "192.0.2.1"),
        bgp_messages.message(bgp_messages.OPEN, b"\4"),
        bgp_messages.message(bgp_messages.KEEPALIVE),
        b"\xff" * 18,
    ],
)
def test_the_receiver_survives_a_malformed_first_message(
    dns1: Host, upstream: Host, message: bytes
) -> None:
    listener = start(upstream)
    send(dns1, message)
    announce(dns1, listener)


def test_a_malformed_update_is_recorded_and_the_next_one_is_parsed(
    dns1: Host, upstream: Host
) -> None:
    listener = start(upstream)
    hello = bgp_messages.open_message(64512, 90, "192.0.2.1") + bgp_messages.message(
        bgp_messages.KEEPALIVE
    )
    odd = bgp_messages.message(bgp_messages.UPDATE, b"\0\0\0\7") + bgp_messages.message(77, b"?")
    good = bgp_messages.message(bgp_messages.UPDATE, bytes.fromhex("0004 18c00002 0000"))
    send(dns1, hello + odd + good)
    eventually(lambda: listener.events()[-1].kind == "down", within=20)
    kinds = [event.kind for event in listener.events()]
    assert kinds == ["up", "odd", "odd", "withdraw", "down"]
    assert listener.events()[3].prefix == "192.0.2.0/24"


def test_a_session_from_an_unknown_address_is_refused(dns1: Host, upstream: Host) -> None:
    listener = bgp_receiver.start(upstream, asn=64512, router_id="172.17.2.254", peers={})
    send(dns1, bgp_messages.open_message(64512, 90, "192.0.2.1"))
    (event,) = eventually(listener.events, within=20)
    assert (event.kind, event.peer, event.text) == ("odd", "172.17.2.1", "not a configured peer")


def test_a_port_that_is_in_use_is_reported(lab: Lab) -> None:
    host = lab.host("upstream")
    start(host)
    with pytest.raises(LabError, match="(?s)ended with code 1.*[Aa]ddress already in use"):
        start(host)


def send(host: Host, message: bytes) -> None:
    """Send bytes to the receiver, and return when the receiver has closed the connection."""
    script = """
import contextlib, socket, sys
with socket.create_connection(("172.17.2.254", 179), 30) as client:
    with contextlib.suppress(OSError):  # the receiver may reset the connection at any time
        client.sendall(bytes.fromhex(sys.argv[1]))
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
"""
    host.run("python3", "-c", script, message.hex(), within=60)
