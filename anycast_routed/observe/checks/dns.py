"""Check whether a DNS server resolves the configured name: one question, one result.

Packet loss must not look like a failure, and trouble on this host must not look like the server's.
So the query is sent again and again, each time from a new port, until there is a reply; each
earlier socket stays open for a slow reply; and silence counts against the server only if the check
could send often enough.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import socket
from dataclasses import replace
from typing import Final

from anycast_routed.config import Dns
from anycast_routed.model import NOTHING_LISTENS, Address, CheckResult, Outcome
from anycast_routed.observe.checks.dns_message import Query, Reply, Stray, query
from anycast_routed.observe.checks.dns_silence import (
    SPREAD,
    TRANSMISSIONS,
    Evidence,
    judge_silence,
)
from anycast_routed.observe.checks.dns_tcp import exchange

_TCP_EVERY: Final = 4
"""After a truncated reply, every fourth transmission may open one more TCP connection."""
_LONGEST_PACKET: Final = 4096
_MOST_WAITING: Final = 512
"""Datagrams to read from one socket after the timeout."""
_OWN_ERRORS: Final = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL)
)
"""Errors of this host: it has no descriptors, memory or local ports left."""


async def check(dns: Dns, source: Address | None = None) -> CheckResult:
    """Ask the server once and return the result; a failed check raises nothing.

    PASS: NOERROR with a record of the configured type, at the name or at the end of its CNAMEs (RFC
    1034 section 3.6.2). FAIL: any other reply, a refusal, or silence for `dns.timeout` seconds.
    UNKNOWN: the check itself could not run. A server that answers gets exactly one query. A server
    that does not answer gets up to 16 within three quarters of the timeout, the last over TCP. A
    truncated reply is requested again over TCP (RFC 7766). The address is configured, so no name is
    resolved to reach the server. Without a `source`, the kernel selects the address to ask from.
    Every socket is closed on return and on cancellation.
    """
    try:
        question = query(dns.query, dns.rrtype)
    except ValueError as error:
        return CheckResult(Outcome.UNKNOWN, str(error))
    with contextlib.ExitStack() as sockets:
        return await _Check(dns, question, sockets, source).run()


class _Check:
    """One running check."""

    def __init__(
        self, dns: Dns, query: Query, sockets: contextlib.ExitStack, source: Address | None
    ) -> None:
        self._dns = dns
        self._source = source
        self._query = query
        self._sockets = sockets
        self._loop = asyncio.get_running_loop()
        self._group = asyncio.TaskGroup()
        self._verdict: asyncio.Future[CheckResult] = self._loop.create_future()
        self._evidence = Evidence()
        self._waiting: list[tuple[socket.socket, int, float]] = []
        """UDP sockets, each with the ID and the time of the one query it has sent."""
        self._connections: list[asyncio.Task[None]] = []

    async def run(self) -> CheckResult:
        """Send until there is a verdict or the timeout has passed."""
        start = self._loop.time()
        gap = self._dns.timeout * SPREAD / (TRANSMISSIONS - 1)
        async with self._group:
            for number in range(TRANSMISSIONS):
                last = number == TRANSMISSIONS - 1
                if self._loop.time() < start + (number + 1) * gap:
                    self._transmit(number, over_tcp=last)
                else:
                    # Sending all missed queries at once would not be the same evidence.
                    self._evidence.missed += 1
                await self._wait(start + (self._dns.timeout if last else (number + 1) * gap))
                if self._verdict.done():
                    break
            else:
                await self._receive_late_replies()
                self._decide(judge_silence(self._evidence, self._dns.timeout))
            for connection in self._connections:
                connection.cancel()
        return self._verdict.result()

    async def _wait(self, until: float) -> None:
        await asyncio.wait({self._verdict}, timeout=max(0.0, until - self._loop.time()))
        self._evidence.late = max(self._evidence.late, self._loop.time() - until)

    async def _receive_late_replies(self) -> None:
        """Receive what came while the event loop was late: that is not the server's fault."""
        await asyncio.sleep(0)  # lets the TCP tasks run
        for waiting in self._waiting:
            for _ in range(_MOST_WAITING):
                if not self._receive(*waiting):
                    break

    def _transmit(self, number: int, *, over_tcp: bool) -> None:
        alive = sum(not connection.done() for connection in self._connections)
        if not self._evidence.truncated and not over_tcp:
            self._send()
        elif alive <= number // _TCP_EVERY:
            self._connect()

    def _open(self, kind: socket.SocketKind) -> socket.socket | None:
        family = socket.AF_INET if self._dns.ip.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
        try:
            opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
            self._sockets.callback(self._close, opened)
            if self._source is not None:
                opened.bind((str(self._source), 0))
        except OSError as error:
            self._unable(error)
            return None
        return opened

    def _close(self, opened: socket.socket) -> None:
        self._loop.remove_reader(opened.fileno())
        opened.close()

    def _send(self) -> None:
        """Send the query over UDP from a new port under a new ID (RFC 5452 section 9.2)."""
        udp = self._open(socket.SOCK_DGRAM)
        if udp is None:
            return
        ident, sent = secrets.randbelow(1 << 16), self._loop.time()
        try:
            udp.connect((str(self._dns.ip), self._dns.port))
            udp.send(self._query.wire(ident))
        except OSError as error:
            if error.errno != errno.EPERM:
                self._failed(error)
                return
            self._evidence.filtered += 1  # netfilter dropped it: that counts as a lost packet
        self._evidence.sent += 1
        self._waiting.append((udp, ident, sent))
        # By its number, because for a socket asyncio would format an error message in advance.
        self._loop.add_reader(udp.fileno(), self._receive, udp, ident, sent)

    def _receive(self, udp: socket.socket, ident: int, sent: float) -> bool:
        """Receive one datagram from the socket; return False if none is waiting."""
        try:
            wire = udp.recv(_LONGEST_PACKET)
        except BlockingIOError:
            return False
        except OSError as error:
            self._failed(error)
            return False
        reply = self._query.judge(wire, ident)
        if isinstance(reply, Stray):
            self._evidence.strays += 1
            self._evidence.last_stray = reply.reason
        elif not reply.truncated:
            self._answered(reply, sent, "udp")
        elif not (self._evidence.truncated or self._verdict.done()):
            self._evidence.truncated = True
            self._connect()
        return True

    def _connect(self) -> None:
        self._connections.append(self._group.create_task(self._over_tcp()))

    async def _over_tcp(self) -> None:
        """Send the query over TCP. Its failure counts only after a truncated reply over UDP."""
        tcp = self._open(socket.SOCK_STREAM)
        if tcp is None:
            return
        self._evidence.sent += 1
        ident, sent = secrets.randbelow(1 << 16), self._loop.time()
        try:
            wire = await exchange(tcp, self._dns.ip, self._dns.port, self._query.wire(ident))
        except OSError as error:
            if error.errno in _OWN_ERRORS:
                self._unable(error)
            else:
                self._tcp_failed(_text(error))
            return
        reply = self._query.judge(wire, ident, over_tcp=True)
        if isinstance(reply, Stray):
            self._tcp_failed(f"the reply is invalid: {reply.reason}")
        else:
            self._answered(reply, sent, "tcp")

    def _answered(self, reply: Reply, sent: float, transport: str) -> None:
        latency = self._loop.time() - sent
        judged = (reply.outcome, reply.reason, reply.rcode, reply.ede)
        self._decide(CheckResult(*judged, latency=latency, transport=transport))

    def _failed(self, error: OSError) -> None:
        if error.errno in _OWN_ERRORS:
            self._unable(error)
            return
        refused = f"{NOTHING_LISTENS} " if error.errno == errno.ECONNREFUSED else ""
        reason = f"{_text(error)}: {refused}{self._dns.ip} port {self._dns.port}"
        self._decide(CheckResult(Outcome.FAIL, reason))

    def _tcp_failed(self, error: str) -> None:
        if self._evidence.truncated:
            reason = f"truncated over UDP, and TCP failed: {error}"
            self._decide(CheckResult(Outcome.FAIL, reason))

    def _unable(self, error: OSError) -> None:
        self._evidence.missed += 1
        self._evidence.error = _text(error)

    def _decide(self, result: CheckResult) -> None:
        if not self._verdict.done():
            self._verdict.set_result(replace(result, transmissions=self._evidence.sent))


def _text(error: OSError) -> str:
    # Errors that asyncio raises have the right number, but a text for programmers.
    return os.strerror(error.errno).lower() if error.errno else str(error)
