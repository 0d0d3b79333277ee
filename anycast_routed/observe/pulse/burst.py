"""Many questions in short order, when a base probe was not answered.

Loss, not delay, makes false alarms: an overloaded server may lose half of the questions. So it is
asked each 5 ms, each time from a fresh port (one stuck worker of several that share a port must not
look like the whole server), and over TCP too, which an overloaded server loses nothing of. With
that the longest silence ever seen of a server under the worst load was 71 ms.
"""

import errno
from typing import TYPE_CHECKING, Final

from anycast_routed.model import Address
from anycast_routed.observe.pulse.probe import Tcp, Udp

if TYPE_CHECKING:
    from anycast_routed.observe.pulse.overload import Effort

GAP: Final = 0.005
SILENCE: Final = 0.12
"""Seconds of silence on everything that are proof, if enough was asked."""
_ENOUGH: Final = 16
_ENOUGH_PORTS: Final = 8
_TCP_AT: Final = (4, 12)
"""The steps at which a TCP connection is made: most bursts are over before."""
EARLY: Final = 4
"""Questions after which a burst is worth the look at what the server does."""
APART: Final = 0.002
"""Two refusals at least so many seconds apart are proof; one may be a restart."""


class Burst:
    """One burst at one server."""

    def __init__(self, address: Address, port: int, now: float) -> None:
        self._address = address
        self._port = port
        self._began = now
        self.effort: Effort | None = None
        """What was counted of the server when the burst had gone on for `EARLY` questions."""
        self.asked = 0
        """Questions over UDP so far, or since the last restart."""
        self._sockets: list[Udp] = []
        self._connections: list[Tcp] = []

    def restart(self, now: float) -> None:
        """Count from now on: our own process was late, which is no fault of the server's."""
        self._began = now
        self.effort = None
        self.asked = 0

    def ask(self, form: int, question: bytes, now: float) -> None:
        """Ask once more. Raises OSError where nothing can be sent at all."""
        try:
            self._sockets.append(Udp(self._address, self._port))
        except OSError as error:
            if not self._sockets or error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            self._sockets.append(self._sockets.pop(0))
        if self.asked in _TCP_AT:
            self._connections.append(Tcp(self._address, self._port, question))
        self.asked += 1
        self._sockets[-1].send(form, question, now)

    def hear(self) -> tuple[list[tuple[int, float, bytes]], Udp | None, int]:
        """Give the replies over UDP, the socket that had the last one, and how many refused."""
        replies, answered, refused = [], None, 0
        for udp in self._sockets:
            try:
                while reply := udp.receive():
                    replies.append(reply)
                    answered = udp
            except ConnectionRefusedError:
                refused += 1
        return replies, answered, refused

    def heard_over_tcp(self) -> bool:
        """Return whether a question over TCP was answered."""
        return any(connection.answered() for connection in self._connections)

    def over(self, now: float) -> bool:
        """Return whether enough was asked for long enough."""
        return now - self._began >= SILENCE and self.asked >= _ENOUGH

    def proves(self) -> bool:
        """Return whether its silence is that of the whole server, and not of one worker."""
        return len(self._sockets) >= _ENOUGH_PORTS

    def close(self, keep: Udp | None = None) -> None:
        """Close all sockets but this one."""
        for udp in self._sockets:
            if udp is not keep:
                udp.close()
        for connection in self._connections:
            connection.close()
