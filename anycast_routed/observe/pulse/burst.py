"""Send many questions in a short time, after a base probe was not answered.

Loss, not delay, causes false alarms: an overloaded server may lose half of the questions. So a
question is sent every 5 ms, each from a new port, because one stuck worker of several that share a
port must not look like the whole server. Some are sent over TCP, where an overloaded server loses
none. With that, the longest silence measured at a server under the heaviest load was 71 ms; but a
reload of large data is silent for longer, so that silence alone is no proof.
"""

import errno
from typing import TYPE_CHECKING, Final

from anycast_routed.model import Address
from anycast_routed.observe.pulse.probe import TcpQuestion, UdpSocket

if TYPE_CHECKING:
    from anycast_routed.observe.pulse.deadlock import Activity

GAP: Final = 0.005
"""Seconds from one question to the next."""
SILENCE: Final = 0.12
"""Seconds of silence over UDP and TCP after which the server's activity decides."""
_ENOUGH: Final = 16
"""Questions that are enough."""
_ENOUGH_PORTS: Final = 8
_TCP_AT: Final = (4, 12)
"""The questions with which a TCP connection is opened: most bursts are over before."""
ACTIVITY_AT: Final = 4
"""The question with which the activity of the server is first read: it costs time."""


class Burst:
    """The sockets and the counts of one burst at one server."""

    def __init__(self, address: Address, port: int, now: float) -> None:
        self._address = address
        self._port = port
        self._began = now
        self.activity: Activity | None = None
        """The activity of the server at question number `ACTIVITY_AT`."""
        self.asked = 0
        """Questions over UDP since the start or the last restart."""
        self._sockets: list[UdpSocket] = []
        self._connections: list[TcpQuestion] = []

    def restart(self, now: float) -> None:
        """Count from now on: this process was late, which is not the server's fault."""
        self._began = now
        self.activity = None
        self.asked = 0

    def ask(self, form: int, question: bytes, now: float) -> None:
        """Send one more question. Raises OSError if nothing can be sent at all."""
        try:
            self._sockets.append(UdpSocket(self._address, self._port))
        except OSError as error:
            if not self._sockets or error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            self._sockets.append(self._sockets.pop(0))
        if self.asked in _TCP_AT:
            self._connections.append(TcpQuestion(self._address, self._port, question))
        self.asked += 1
        self._sockets[-1].send(form, question, now)

    def receive(self) -> tuple[list[tuple[int, float, bytes]], UdpSocket | None, int]:
        """Return the replies over UDP, the socket with the last reply, and the refusals."""
        replies, answered, refused = [], None, 0
        for udp in self._sockets:
            try:
                while reply := udp.receive():
                    replies.append(reply)
                    answered = udp
            except ConnectionRefusedError:
                refused += 1
        return replies, answered, refused

    def answered_over_tcp(self) -> bool:
        """Return whether a question over TCP was answered."""
        return any(connection.answered() for connection in self._connections)

    def over(self, now: float) -> bool:
        """Return whether enough questions were asked for long enough."""
        return now - self._began >= SILENCE and self.asked >= _ENOUGH

    def proves(self) -> bool:
        """Return whether enough ports were used to reach every worker of the server."""
        return len(self._sockets) >= _ENOUGH_PORTS

    def close(self, keep: UdpSocket | None = None) -> None:
        """Close all sockets except `keep`."""
        for udp in self._sockets:
            if udp is not keep:
                udp.close()
        for connection in self._connections:
            connection.close()
