"""A scripted DNS server on a loopback port, for replies that no real server sends."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from anycast_routed.config import Dns

TYPE_A = b"\0\x01\0\x01"
TYPE_SOA = b"\0\x06\0\x01"
PATIENT = 60.0
"""A timeout with 3 s between transmissions: even on a busy machine one query is enough."""

Client = tuple[str, int]
OnUdp = Callable[["Server", bytes, Client], None]
OnTcp = Callable[[socket.socket, bytes], None]


@dataclass
class Server:
    """A server on one port for UDP and TCP; each has a thread and calls its script."""

    on_udp: OnUdp
    on_tcp: OnTcp | None
    udp: socket.socket
    tcp: socket.socket
    packets: list[tuple[float, bytes, Client]] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port of both protocols."""
        return int(self.udp.getsockname()[1])

    def serve_udp(self) -> None:
        """Call the script with each query, until an empty packet comes."""
        while True:
            query, client = self.udp.recvfrom(4096)
            if not query:
                return
            self.packets.append((time.monotonic(), query, client))
            self.on_udp(self, query, client)

    def serve_tcp(self) -> None:
        """Call the script with the first query of each connection, until an empty one comes."""
        while self.on_tcp:
            connection, _ = self.tcp.accept()
            with connection, suppress(ConnectionError):
                self.connections.append(time.monotonic())
                connection.settimeout(20)
                if not (query := connection.recv(4096)):
                    return
                self.on_tcp(connection, query[2:])


@contextmanager
def serving(on_udp: OnUdp, on_tcp: OnTcp | None = None) -> Iterator[Server]:
    """Run a server with these scripts; without `on_tcp` it refuses TCP connections."""
    udp, tcp = _same_port()
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
            thread.join(20)


def _same_port() -> tuple[socket.socket, socket.socket]:
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


def question(server: Server, timeout: float) -> Dns:
    """Return a check of this server."""
    return Dns.model_validate(
        {"ip": "127.0.0.1", "port": server.port, "query": "google.com.", "timeout": timeout}
    )


def reply(query: bytes, *, flags: int = 0x8180) -> bytes:
    """Return a good reply: the question, and one SOA record at its name."""
    end = query.index(b"\0", 12) + 5
    soa = b"\0\0" + b"\0\0\0\1" * 5
    answer = b"\xc0\x0c" + TYPE_SOA + b"\0\0\0\x3c" + len(soa).to_bytes(2) + soa
    counts = b"\0\1\0\1\0\0\0\0"
    return query[:2] + flags.to_bytes(2) + counts + query[12:end] + answer


def truncated(query: bytes) -> bytes:
    """Return a reply with the TC bit."""
    return reply(query, flags=0x8380)


def silent(_server: Server, _query: bytes, _client: Client) -> None:
    """Send no reply."""


def answering(make: Callable[[bytes], bytes]) -> OnUdp:
    """Return a script that sends the reply that `make` returns."""

    def answer(server: Server, query: bytes, client: Client) -> None:
        server.udp.sendto(make(query), client)

    return answer
