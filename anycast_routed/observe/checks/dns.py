"""One question to one DNS server, and one result: does it resolve the configured name?

Loss must not look like failure, and our own troubles must not look like the server's. So the query
is sent again and again, each time from a fresh port, for as long as nothing has answered; every
earlier socket stays open for a slow answer; and silence counts against the server only if we could
send often enough.
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
from anycast_routed.model import CheckResult, Outcome
from anycast_routed.observe.checks.dns_message import Query, Reply, Stray, query

TRANSMISSIONS: Final = 16
"""At most so many are sent. At 30 % loss each way, 15 lost round trips are 4 in 100,000 checks."""
ENOUGH: Final = 8
"""Silence after fewer transmissions proves nothing."""
_SPREAD: Final = 0.75
"""The last transmission goes out after this part of the timeout, and over TCP."""
_TCP_EVERY: Final = 4
"""After a truncated reply, every fourth transmission may open one more TCP connection."""
_LONGEST_PACKET: Final = 4096
_MOST_WAITING: Final = 512
_OWN: Final = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL)
)
"""Errors that speak of this host's lack of descriptors, memory or local ports."""


async def check(dns: Dns) -> CheckResult:
    """Ask the server once and say what was seen; a failed check is a result, never an exception.

    PASS: NOERROR with a record of the wanted type, reached from the name through CNAMEs (RFC 1034
    section 3.6.2) where there are some. FAIL: any other reply, a refusal, or silence for
    `dns.timeout` seconds. UNKNOWN: the check itself could not run. A server that answers gets
    exactly one query; one that doesn't gets up to 16 within three quarters of the timeout, the
    last over TCP. A truncated reply is asked for again over TCP (RFC 7766). No name is ever
    resolved. Every socket is closed on return and on cancellation.
    """
    try:
        question = query(dns.query, dns.rrtype)
    except ValueError as error:
        return CheckResult(Outcome.UNKNOWN, str(error))
    with contextlib.ExitStack() as sockets:
        return await _Check(dns, question, sockets).run()


class _ClosedEarlyError(ConnectionError):
    def __str__(self) -> str:
        return "closed before the reply was whole"


class _Check:
    def __init__(self, dns: Dns, query: Query, sockets: contextlib.ExitStack) -> None:
        self._dns = dns
        self._query = query
        self._sockets = sockets
        self._loop = asyncio.get_running_loop()
        self._group = asyncio.TaskGroup()
        self._verdict: asyncio.Future[CheckResult] = self._loop.create_future()
        self._waiting: list[tuple[socket.socket, int, float]] = []
        """UDP sockets, with the ID and the time of the one query that each has sent."""
        self._connections: list[asyncio.Task[None]] = []
        self._truncated = False
        self._transmissions = self._filtered = 0
        """All transmissions, and those that a packet filter of this host has dropped."""
        self._missed = 0
        """Transmissions that were due and that we could not make."""
        self._late = 0.0
        """Seconds by which our loop woke up late, at worst."""
        self._own_error = ""
        self._strays = 0
        self._last_stray = ""

    async def run(self) -> CheckResult:
        start = self._loop.time()
        gap = self._dns.timeout * _SPREAD / (TRANSMISSIONS - 1)
        async with self._group:
            for number in range(TRANSMISSIONS):
                last = number == TRANSMISSIONS - 1
                if self._loop.time() < start + (number + 1) * gap:
                    self._transmit(number, over_tcp=last)
                else:
                    self._missed += 1  # to catch up with a burst would not be the same evidence
                await self._wait(start + (self._dns.timeout if last else (number + 1) * gap))
                if self._verdict.done():
                    break
            else:
                await self._look_once_more()
                self._decide(self._silence())
            for connection in self._connections:
                connection.cancel()
        return self._verdict.result()

    async def _wait(self, until: float) -> None:
        await asyncio.wait({self._verdict}, timeout=max(0.0, until - self._loop.time()))
        self._late = max(self._late, self._loop.time() - until)

    async def _look_once_more(self) -> None:
        """Take what came while our own loop was late: that is not the server's fault."""
        await asyncio.sleep(0)  # the turn of the TCP tasks
        for waiting in self._waiting:
            for _ in range(_MOST_WAITING):
                if not self._receive(*waiting):
                    break

    def _transmit(self, number: int, *, over_tcp: bool) -> None:
        alive = sum(not connection.done() for connection in self._connections)
        if not self._truncated and not over_tcp:
            self._send()
        elif alive <= number // _TCP_EVERY:
            self._connect()

    def _open(self, kind: socket.SocketKind) -> socket.socket | None:
        family = socket.AF_INET if self._dns.ip.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
        try:
            opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._unable(error)
            return None
        self._sockets.callback(self._close, opened)
        return opened

    def _close(self, opened: socket.socket) -> None:
        self._loop.remove_reader(opened.fileno())
        opened.close()

    def _send(self) -> None:
        """Send the query over UDP from a fresh port, under a fresh ID (RFC 5452 section 9.2)."""
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
            self._filtered += 1  # netfilter tells so; to us it is lost like any other packet
        self._transmissions += 1
        self._waiting.append((udp, ident, sent))
        # By its number: asyncio would spell out a socket for an error message that nobody sees.
        self._loop.add_reader(udp.fileno(), self._receive, udp, ident, sent)

    def _receive(self, udp: socket.socket, ident: int, sent: float) -> bool:
        """Take one packet from the socket; False when none waits there."""
        try:
            wire = udp.recv(_LONGEST_PACKET)
        except BlockingIOError:
            return False
        except OSError as error:
            self._failed(error)
            return False
        reply = self._query.judge(wire, ident)
        if isinstance(reply, Stray):
            self._strays += 1
            self._last_stray = reply.reason
        elif not reply.truncated:
            self._answered(reply, sent, "udp")
        elif not (self._truncated or self._verdict.done()):
            self._truncated = True
            self._connect()
        return True

    def _connect(self) -> None:
        self._connections.append(self._group.create_task(self._over_tcp()))

    async def _over_tcp(self) -> None:
        """Send the query over TCP. A failure matters only if UDP has said that it takes TCP."""
        tcp = self._open(socket.SOCK_STREAM)
        if tcp is None:
            return
        self._transmissions += 1
        ident, sent = secrets.randbelow(1 << 16), self._loop.time()
        try:
            await self._loop.sock_connect(tcp, (str(self._dns.ip), self._dns.port))
            wire = await self._exchange(tcp, self._query.wire(ident))
        except OSError as error:
            if error.errno in _OWN:
                self._unable(error)
            else:
                self._tcp_failed(_text(error))
            return
        reply = self._query.judge(wire, ident, over_tcp=True)
        if isinstance(reply, Stray):
            self._tcp_failed(f"its reply is not ours: {reply.reason}")
        else:
            self._answered(reply, sent, "tcp")

    async def _exchange(self, tcp: socket.socket, wire: bytes) -> bytes:
        """Send one message and read one, each behind its length in two octets (RFC 7766 8)."""
        await self._loop.sock_sendall(tcp, len(wire).to_bytes(2) + wire)
        size = int.from_bytes(await self._read(tcp, 2))
        return await self._read(tcp, size)

    async def _read(self, tcp: socket.socket, size: int) -> bytes:
        read = bytearray()
        while len(read) < size:
            part = await self._loop.sock_recv(tcp, size - len(read))
            if not part:
                raise _ClosedEarlyError
            read += part
        return bytes(read)

    def _answered(self, reply: Reply, sent: float, transport: str) -> None:
        latency = self._loop.time() - sent
        said = (reply.outcome, reply.reason, reply.rcode, reply.ede)
        self._decide(CheckResult(*said, latency=latency, transport=transport))

    def _failed(self, error: OSError) -> None:
        if error.errno in _OWN:
            self._unable(error)
            return
        listens = "nothing listens on " if error.errno == errno.ECONNREFUSED else ""
        reason = f"{_text(error)}: {listens}{self._dns.ip} port {self._dns.port}"
        self._decide(CheckResult(Outcome.FAIL, reason))

    def _tcp_failed(self, what: str) -> None:
        if self._truncated:
            reason = f"truncated over UDP, and TCP failed: {what}"
            self._decide(CheckResult(Outcome.FAIL, reason))

    def _unable(self, error: OSError) -> None:
        self._missed += 1
        self._own_error = _text(error)

    def _decide(self, result: CheckResult) -> None:
        if not self._verdict.done():
            self._verdict.set_result(replace(result, transmissions=self._transmissions))

    def _silence(self) -> CheckResult:
        within = f"within {self._dns.timeout:g} s"
        late = self._truncated and self._late > self._dns.timeout * (1 - _SPREAD)
        if late or self._missed > TRANSMISSIONS - ENOUGH:
            reason = f"our own process was late by {self._late:.3g} s"
            if self._own_error:
                reason = f"the check could not run: {self._own_error}"
            return CheckResult(Outcome.UNKNOWN, reason)
        reason = f"no reply {within}"
        if self._truncated:
            reason = f"truncated over UDP, and TCP gave no reply {within}"
        elif self._filtered >= ENOUGH:
            reason += ", a packet filter of this host drops our queries"
        if self._strays:
            reason += f"; packets ignored: {self._strays}, the last: {self._last_stray}"
        return CheckResult(Outcome.FAIL, reason)


def _text(error: OSError) -> str:
    # asyncio's own errors carry a number, but a text for programmers.
    return os.strerror(error.errno).lower() if error.errno else str(error)
