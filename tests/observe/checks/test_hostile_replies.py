"""The steps that no real server takes: forged replies, odd TCP, and troubles of our own."""

import asyncio
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import pytest

from anycast_routed.config import Dns
from anycast_routed.model import Outcome
from anycast_routed.observe.checks.dns import ENOUGH, TRANSMISSIONS, check
from tests.support.malformed_replies import MALFORMED
from tests.support.open_files import descriptors

TYPE_A = b"\0\x01\0\x01"
TYPE_SOA = b"\0\x06\0\x01"


def question(server: "Server", timeout: float = 0.5) -> Dns:
    return Dns.model_validate(
        {"ip": "127.0.0.1", "port": server.port, "query": "google.com.", "timeout": timeout}
    )


def reply(query: bytes, *, flags: int = 0x8180) -> bytes:
    """Make a good reply: the question, and one SOA record at its name."""
    end = query.index(b"\0", 12) + 5
    soa = b"\0\0" + b"\0\0\0\1" * 5
    answer = b"\xc0\x0c" + TYPE_SOA + b"\0\0\0\x3c" + len(soa).to_bytes(2) + soa
    counts = b"\0\1\0\1\0\0\0\0"
    return query[:2] + flags.to_bytes(2) + counts + query[12:end] + answer


def truncated(query: bytes) -> bytes:
    return reply(query, flags=0x8380)


@dataclass
class Server:
    """A scripted server on one port, for UDP and TCP, in threads of its own."""

    on_udp: Callable[["Server", bytes, tuple[str, int]], None]
    on_tcp: Callable[[socket.socket, bytes], None] | None
    udp: socket.socket
    tcp: socket.socket
    packets: list[tuple[float, bytes, tuple[str, int]]] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port of both protocols."""
        return int(self.udp.getsockname()[1])

    def serve_udp(self) -> None:
        """Hand each query to the script, until an empty packet comes."""
        while True:
            query, client = self.udp.recvfrom(4096)
            if not query:
                return
            self.packets.append((time.monotonic(), query, client))
            self.on_udp(self, query, client)

    def serve_tcp(self) -> None:
        """Hand each connection's first query to the script, until an empty connection comes."""
        while self.on_tcp:
            connection, _ = self.tcp.accept()
            with connection, suppress(ConnectionError):
                self.connections.append(time.monotonic())
                connection.settimeout(5)
                if not (query := connection.recv(4096)):
                    return
                self.on_tcp(connection, query[2:])


def same_port() -> tuple[socket.socket, socket.socket]:
    """Bind a port that is free for both UDP and TCP."""
    for _ in range(100):
        udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        udp.bind(("127.0.0.1", 0))
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            return udp, tcp
    pytest.fail("no port is free for both")


@contextmanager
def serving(
    on_udp: Callable[[Server, bytes, tuple[str, int]], None],
    on_tcp: Callable[[socket.socket, bytes], None] | None = None,
) -> Iterator[Server]:
    udp, tcp = same_port()
    with udp, tcp:
        server = Server(on_udp, on_tcp, udp, tcp)
        if on_tcp:
            server.tcp.listen()
        threads = [threading.Thread(target=t) for t in (server.serve_udp, server.serve_tcp)]
        for thread in threads:
            thread.start()
        yield server
        server.udp.sendto(b"", ("127.0.0.1", server.port))
        if on_tcp:
            socket.create_connection(("127.0.0.1", server.port)).close()
        for thread in threads:
            thread.join(10)


def silent(server: Server, query: bytes, client: tuple[str, int]) -> None:
    pass


def answering(
    make: Callable[[bytes], bytes],
) -> Callable[[Server, bytes, tuple[str, int]], None]:
    def answer(server: Server, query: bytes, client: tuple[str, int]) -> None:
        server.udp.sendto(make(query), client)

    return answer


@pytest.mark.fault(8, 9)
async def test_forged_and_malformed_packets_are_ignored_at_no_cost() -> None:
    def forge(server: Server, query: bytes, client: tuple[str, int]) -> None:
        good = reply(query)
        refused = good[:3] + b"\x85" + good[4:]
        with socket.socket(type=socket.SOCK_DGRAM) as elsewhere:
            elsewhere.sendto(refused, client)
        for number in range(50):
            forged = (
                (int.from_bytes(query[:2]) ^ (number + 1)).to_bytes(2) + refused[2:],
                refused.replace(b"\x06google", b"\x06goggle"),
                refused.replace(TYPE_SOA, TYPE_A, 1),
                query,
                good[: len(good) - number % 20 - 1],
                query[:2] + os.urandom(60),
                query[: number % 12],
            )
            if packet := forged[number % len(forged)]:
                server.udp.sendto(packet, client)
        server.udp.sendto(good, client)

    with serving(forge) as server:
        result = await check(question(server, timeout=5))
    assert (result.outcome, result.transmissions) == (Outcome.PASS, 1), result
    assert result.latency is not None
    assert result.latency < 0.25


async def test_packets_ignored_are_told_of_when_nothing_else_came() -> None:
    def wrong(server: Server, query: bytes, client: tuple[str, int]) -> None:
        server.udp.sendto(reply(query).replace(TYPE_SOA, TYPE_A, 1), client)

    with serving(wrong) as server:
        result = await check(question(server, timeout=0.3))
    assert result.outcome is Outcome.FAIL
    assert result.reason.startswith("no reply within 0.3 s; packets ignored: ")
    assert result.reason.endswith("the last: another question")


async def test_a_slow_answer_to_the_first_transmission_counts() -> None:
    def slow(server: Server, query: bytes, client: tuple[str, int]) -> None:
        if len(server.packets) == 1:
            late = threading.Timer(0.95, server.udp.sendto, (reply(query), client))
            late.start()

    with serving(slow) as server:
        result = await check(question(server, timeout=1))
    assert result.outcome is Outcome.PASS, result
    assert result.latency is not None
    assert result.latency > 0.94
    assert result.transmissions >= ENOUGH


async def test_silence_is_asked_again_evenly_from_fresh_ports_and_then_over_tcp() -> None:
    with serving(silent, lambda _connection, _query: None) as server:
        began = time.monotonic()
        result = await check(question(server, timeout=1.5))
        took = time.monotonic() - began
    assert (result.outcome, result.reason) == (Outcome.FAIL, "no reply within 1.5 s")
    assert 1.5 <= took < 2
    queries = [packet for packet in server.packets if packet[1]]
    assert len(queries) == result.transmissions - 1
    assert ENOUGH <= result.transmissions <= TRANSMISSIONS
    assert len({client for _, _, client in queries}) == len(queries)
    assert len({query[:2] for _, query, _ in queries}) >= len(queries) - 1
    gaps = [after[0] - before[0] for before, after in pairwise(queries)]
    assert 0.06 < median(gaps) < 0.12
    assert 0.7 < server.connections[0] - queries[0][0] < 1.4


@pytest.mark.fault(9)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _query: b"", "closed before the reply was whole"),
        (lambda _query: b"\0", "closed before the reply was whole"),
        (lambda query: b"\xff\xff" + reply(query), "closed before the reply was whole"),
        (lambda _query: b"\0\0", "its reply is not ours: only 0 octets"),
        (lambda query: b"\0\x10" + reply(query), "its reply is not ours: malformed"),
        (lambda query: b"\0\x0cxx" + reply(query), "its reply is not ours: another ID"),
    ],
    ids=["nothing", "half a length", "cut off", "length 0", "cut by its length", "another ID"],
)
async def test_odd_tcp_after_truncation_is_a_failure(
    answer: Callable[[bytes], bytes], reason: str
) -> None:
    def tcp(connection: socket.socket, query: bytes) -> None:
        connection.sendall(answer(query))

    with serving(answering(truncated), tcp) as server:
        result = await check(question(server, timeout=5))
    assert (result.outcome, result.transmissions) == (Outcome.FAIL, 2)
    assert result.reason.startswith(f"truncated over UDP, and TCP failed: {reason}")


@pytest.mark.fault(9)
async def test_every_malformed_reply_is_ignored_at_no_cost() -> None:
    def malform(server: Server, query: bytes, client: tuple[str, int]) -> None:
        for packet in MALFORMED.values():
            server.udp.sendto((query[:2] + packet[2:])[:60_000], client)
        server.udp.sendto(reply(query), client)

    with serving(malform) as server:
        result = await check(question(server, timeout=5))
    assert (result.outcome, result.transmissions) == (Outcome.PASS, 1), result
    assert result.latency is not None
    assert result.latency < 0.25


@pytest.mark.fault(9)
async def test_every_malformed_reply_over_tcp_is_a_failure_at_once() -> None:
    waiting = list(MALFORMED.values())

    def tcp(connection: socket.socket, query: bytes) -> None:
        packet = query[:2] + waiting.pop()[2:]
        connection.sendall(len(packet).to_bytes(2) + packet)

    with serving(answering(truncated), tcp) as server:
        while waiting:
            packet = waiting[-1]
            began = time.monotonic()
            result = await check(question(server, timeout=5))
            assert time.monotonic() - began < 2, packet
            assert result.outcome is Outcome.FAIL, packet
            why = "truncated over UDP, and TCP failed: its reply is not ours"
            assert result.reason.startswith(why), packet
            assert result.reason.isprintable()


@pytest.mark.fault(9)
@pytest.mark.parametrize("lie", [b"\xff\xff", b"\0", b""], ids=["too long", "half", "nothing"])
async def test_a_server_that_lies_of_its_length_and_waits_takes_no_longer(lie: bytes) -> None:
    over = threading.Event()

    def tcp(connection: socket.socket, _query: bytes) -> None:
        connection.sendall(lie)
        over.wait(5)

    with serving(answering(truncated), tcp) as server:
        began = time.monotonic()
        result = await check(question(server, timeout=0.4))
        took = time.monotonic() - began
        over.set()
    assert (result.outcome, took < 1) == (Outcome.FAIL, True), result
    assert result.reason == "truncated over UDP, and TCP gave no reply within 0.4 s"


async def test_a_reply_over_tcp_may_come_in_pieces() -> None:
    def tcp(connection: socket.socket, query: bytes) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = reply(query, flags=0x8380)
        for octet in len(whole).to_bytes(2) + whole:
            connection.sendall(bytes([octet]))

    with serving(answering(truncated), tcp) as server:
        result = await check(question(server, timeout=5))
    assert (result.outcome, result.transport, result.transmissions) == (Outcome.PASS, "tcp", 2)


async def test_a_refused_port_fails_at_once() -> None:
    with serving(silent) as server:
        port = server.port
    gone = Dns.model_validate({"ip": "127.0.0.1", "port": port, "query": ".", "timeout": 5})
    began = time.monotonic()
    result = await check(gone)
    assert result.reason == f"connection refused: nothing listens on 127.0.0.1 port {port}"
    assert time.monotonic() - began < 1


@pytest.mark.fault(14)
async def test_without_descriptors_the_verdict_is_unknown() -> None:
    with serving(silent) as server:
        asked = question(server, timeout=0.2)  # pydantic loads files for its first model
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
        filling: list[socket.socket] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        try:
            with suppress(OSError):
                for _ in range(highest):
                    filling.append(socket.socket())  # noqa: PERF401 - until it fails
            result = await check(asked)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for filler in filling:
                filler.close()
    assert (result.outcome, result.transmissions) == (Outcome.UNKNOWN, 0)
    assert result.reason == "the check could not run: too many open files"


@pytest.mark.fault(36)
async def test_our_own_lateness_is_not_blamed_on_a_silent_server() -> None:
    with serving(silent) as server:
        asyncio.get_running_loop().call_later(0.02, time.sleep, 0.5)
        result = await check(question(server, timeout=0.4))
    assert result.outcome is Outcome.UNKNOWN, result
    assert result.reason.startswith("our own process was late by ")


@pytest.mark.fault(36)
@pytest.mark.parametrize("noise", [0, 40])
async def test_a_reply_that_waits_while_we_are_late_counts(noise: int) -> None:
    def answer(server: Server, query: bytes, client: tuple[str, int]) -> None:
        for _ in range(noise):
            server.udp.sendto(query, client)
        server.udp.sendto(reply(query), client)

    with serving(answer) as server:
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, time.sleep, 0.6)
        result = await check(question(server, timeout=0.3))
    assert result.outcome is Outcome.PASS, result


async def test_every_socket_is_closed_on_every_path() -> None:
    def close(connection: socket.socket, _query: bytes) -> None:
        connection.close()

    with (
        serving(silent) as mute,
        serving(answering(reply)) as good,
        serving(answering(truncated), close) as closing,
        serving(answering(truncated)) as refusing,
    ):
        before = descriptors()
        for server in (mute, good, closing, refusing):
            await check(question(server, timeout=0.1))
        for after in (0, 0.01, 0.05, 0.09):
            with suppress(TimeoutError):
                await asyncio.wait_for(check(question(mute, timeout=0.1)), after)
        for _ in range(500):
            if descriptors() <= before:
                break
            await asyncio.sleep(0.01)  # the server's threads close theirs
        assert descriptors() <= before


async def test_an_impossible_question_is_unknown() -> None:
    odd = Dns.model_construct(query="a..b.", rrtype="SOA", timeout=1.0)
    assert (await check(odd)).outcome is Outcome.UNKNOWN
