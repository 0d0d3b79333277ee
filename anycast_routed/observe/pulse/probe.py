"""Sockets for probes: non-blocking, connected, and read only when a reply may be there.

A probe through the readers of an event loop, or through a DNS library, costs ten times as much.
"""

import contextlib
import errno
import os
import select
import socket
from typing import Final

from anycast_routed.model import Address
from anycast_routed.observe.pulse.questions import HEADER

_MOST_STRAYS: Final = 256
"""Datagrams to read at once without a reply among them."""
_FORGET_AFTER: Final = 5.0
"""Seconds after which a reply is no longer expected."""
_QR: Final = 0x80


class UdpSocket:
    """A UDP socket connected to one server; a refusal is raised as ConnectionRefusedError.

    Raises OSError if it cannot be opened.
    """

    __slots__ = ("_ident", "_socket", "_waiting")

    def __init__(self, address: Address, port: int) -> None:
        self._socket = _connected(address, port, socket.SOCK_DGRAM)
        self._waiting: dict[bytes, tuple[int, float]] = {}
        # IDs start at a random one, so that only a host that sees the packets knows the next.
        self._ident = int.from_bytes(os.urandom(2))

    def source(self) -> str:
        """Return the local address: the server's own if that is on this host (except 127/8)."""
        source: str = self._socket.getsockname()[0]
        return source

    def send(self, form: int, question: bytes, now: float) -> None:
        """Send a question under a new ID. Raises OSError if it cannot be sent."""
        if len(self._waiting) > 1:
            self._forget(now)
        self._ident = (self._ident + 1) % (1 << 16)
        ident = self._ident.to_bytes(2)
        self._waiting[ident] = (form, now)
        try:
            self._socket.send(ident + question)
        except PermissionError:
            # A packet filter on this host dropped it: that counts as a lost packet.
            return

    def receive(self) -> tuple[int, float, bytes] | None:
        """Return the next reply: the form it answers, when that was sent, and the DNS header.

        None if no reply is there or none is expected. Raises OSError.
        """
        for _ in range(_MOST_STRAYS):
            if not self._waiting:
                return None
            try:
                header = self._socket.recv(HEADER)
            except BlockingIOError:
                return None
            if len(header) == HEADER and header[2] & _QR:
                asked = self._waiting.pop(header[:2], None)
                if asked is not None:
                    return (*asked, header)
        return None

    def wait(self, milliseconds: int) -> None:
        """Wait until a datagram can be received, but no longer than this."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(milliseconds)

    def close(self) -> None:
        """Close the socket; a reply on its way is lost."""
        self._socket.close()

    def _forget(self, now: float) -> None:
        old = [ident for ident, (_, sent) in self._waiting.items() if sent < now - _FORGET_AFTER]
        for ident in old:
            del self._waiting[ident]


class TcpQuestion:
    """One question over TCP. Only an answer proves life: the kernel does the handshake alone."""

    def __init__(self, address: Address, port: int, question: bytes) -> None:
        self._ident = os.urandom(2)
        message = self._ident + question
        self._unsent = len(message).to_bytes(2) + message
        self._read = b""
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):  # if TCP is not possible, UDP alone decides
            self._socket = _connected(address, port, socket.SOCK_STREAM)

    def answered(self) -> bool:
        """Send and receive as far as possible without waiting; return whether it is answered."""
        if self._socket is None:
            return False
        try:
            if self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            part = self._socket.recv(2 + HEADER - len(self._read))
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        self._read += part
        if not part:
            self.close()
        complete = len(self._read) == 2 + HEADER
        return complete and self._read[2:4] == self._ident and bool(self._read[4] & _QR)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(address: Address, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    number = opened.connect_ex((str(address), port))
    if number not in {0, errno.EINPROGRESS}:
        opened.close()
        raise OSError(number, os.strerror(number))
    return opened
