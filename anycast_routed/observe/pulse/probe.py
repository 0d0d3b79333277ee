"""Raw sockets for probes: non-blocking, connected, and read only when it is time.

A probe through an event loop's readers, or a DNS library, costs ten times as much.
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
_FORGOTTEN: Final = 5.0
"""Seconds after which no reply is waited for any longer."""
_QR: Final = 0x80


class Udp:
    """A UDP socket connected to one server; a refusal is raised as ConnectionRefusedError.

    Raises OSError where it can't be opened.
    """

    __slots__ = ("_ident", "_socket", "_waiting")

    def __init__(self, address: Address, port: int) -> None:
        self._socket = _connected(address, port, socket.SOCK_DGRAM)
        self._waiting: dict[bytes, tuple[int, float]] = {}
        # From a random one on, so that nobody who cannot see our packets knows the next.
        self._ident = int.from_bytes(os.urandom(2))

    def source(self) -> str:
        """Give our address, which is the server's where that is on this host (but 127/8)."""
        source: str = self._socket.getsockname()[0]
        return source

    def send(self, form: int, question: bytes, now: float) -> None:
        """Send a question under a fresh ID. Raises OSError where it can't be sent."""
        if len(self._waiting) > 1:
            self._forget(now)
        self._ident = (self._ident + 1) % (1 << 16)
        ident = self._ident.to_bytes(2)
        self._waiting[ident] = (form, now)
        try:
            self._socket.send(ident + question)
        except PermissionError:
            # A packet filter of this host has dropped it: to us it is lost like any other packet.
            return

    def receive(self) -> tuple[int, float, bytes] | None:
        """Take the next reply: the form it answers, when that was sent, and the reply's header.

        None when no reply is there or none is waited for. Raises OSError.
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
        """Wait until something can be received, but no longer than this."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(milliseconds)

    def close(self) -> None:
        """Close the socket; what was on its way here is lost."""
        self._socket.close()

    def _forget(self, now: float) -> None:
        old = [ident for ident, (_, sent) in self._waiting.items() if sent < now - _FORGOTTEN]
        for ident in old:
            del self._waiting[ident]


class Tcp:
    """One question over TCP. A handshake proves nothing, for the kernel does it; an answer does."""

    def __init__(self, address: Address, port: int, question: bytes) -> None:
        self._ident = os.urandom(2)
        message = self._ident + question
        self._unsent = len(message).to_bytes(2) + message
        self._read = b""
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):  # no TCP here: then UDP alone has to tell
            self._socket = _connected(address, port, socket.SOCK_STREAM)

    def answered(self) -> bool:
        """Go on as far as it goes without waiting; return whether the answer has come."""
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
        whole = len(self._read) == 2 + HEADER
        return whole and self._read[2:4] == self._ident and bool(self._read[4] & _QR)

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
