"""What is asked of one server from probe to probe, and what its answers have taught us."""

from typing import Final

from anycast_routed.observe.pulse.baseline import Habits, Normal
from anycast_routed.observe.pulse.events import Server
from anycast_routed.observe.pulse.probe import Udp
from anycast_routed.observe.pulse.questions import BASE, FORMS, Questions, is_local, meaning

_BASE_LOST: Final = 2.0
"""Seconds without any answer to a base question after which another port is taken for it."""


class Conversation:
    """The base questions to one server, over one socket as long as that does.

    Its methods raise OSError where our host does not let us, and ConnectionRefusedError.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._questions: Questions | None = None
        self._socket: Udp | None = None
        self._answered = 0.0
        self._habits = Habits()
        self._normal = Normal()

    def open(self) -> str | None:
        """Open the socket, and give our address there; None where it is open already.

        Raises ValueError where the question can't be asked of anyone.
        """
        if self._questions is None:
            self._questions = Questions(self._server.query, self._server.rrtype)
        if self._socket is not None:
            return None
        self._socket = Udp(self._server.address, self._server.port)
        return self._socket.source()

    def ask(self, now: float, *, lively: bool) -> None:
        """Ask the base question, and at times, or if `lively` always, a liveness question too."""
        if self._socket is None or self._questions is None:
            return
        self._socket.send(BASE, self._questions.base, now)
        well = now - self._answered < 2 * self._server.interval
        form = self._habits.lesson(now, well=well)
        if form is None and lively:
            form = FORMS - 1
        if form is not None:
            self._socket.send(form, self._questions.liveness[form], now)

    def wait(self) -> None:
        """Wait for a reply, but no longer than a millisecond."""
        if self._socket is not None:
            self._socket.wait(1)

    def hear(self, now: float) -> tuple[bool, str]:
        """Take the replies that are there: whether there are any, and a change they tell of."""
        heard, changes = False, ""
        while self._socket is not None and (reply := self._socket.receive()):
            heard = True
            changes = self.take(*reply, now) or changes
        return heard, changes

    def take(self, form: int, sent: float, header: bytes, now: float) -> str:
        """Learn from one reply; give a sentence if it tells of a change."""
        if form != BASE:
            if is_local(form, header):
                self._habits.answered(form, now - sent)
            return ""
        self._answered = now
        said = meaning(header)
        return self._normal.heard(said, now) if said else ""

    def liveness(self, number: int) -> tuple[int, bytes]:
        """Give a liveness question, its form first: another one for each next number."""
        if self._questions is None:
            return 0, b""
        forms = self._habits.proven() or range(FORMS)
        form = forms[number % len(forms)]
        return form, self._questions.liveness[form]

    def silence_counts(self) -> bool:
        """Return whether there are liveness questions that it is known to answer at once."""
        return bool(self._habits.proven())

    def affordable(self, now: float) -> bool:
        """Return whether one more change may be told."""
        return self._normal.affordable(now)

    def settle(self) -> None:
        """Take what it answers now for normal."""
        self._normal.settle()

    def prefers(self, answered: Udp | None, now: float) -> bool:
        """Go over to this socket, which was answered, if ours has long not been.

        Of several workers that share a port ours may have a stuck one.
        """
        if answered is None or now - self._answered < _BASE_LOST:
            return False
        self.close()
        self._socket, self._answered = answered, now
        return True

    def forget(self) -> None:
        """Forget what it is used to: the next to answer may be another program."""
        self._habits = Habits()
        self._normal.forget()

    def close(self) -> None:
        """Close the socket; what was on its way is lost."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
