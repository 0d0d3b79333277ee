"""Ask one server the base question again and again, and learn from its answers."""

from typing import Final

from anycast_routed.observe.pulse.baseline import AnsweredForms, UsualAnswer
from anycast_routed.observe.pulse.events import Server
from anycast_routed.observe.pulse.probe import UdpSocket
from anycast_routed.observe.pulse.questions import BASE, FORMS, Questions, is_local, meaning

_UNANSWERED: Final = 2.0
"""Seconds without an answer to a base question after which its socket is replaced."""


class Conversation:
    """The base questions to one server, all from one socket as long as that is answered.

    The methods raise OSError if this host cannot send, and ConnectionRefusedError.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._questions: Questions | None = None
        self._socket: UdpSocket | None = None
        self._answered_at = 0.0
        self._forms = AnsweredForms()
        self._usual = UsualAnswer()

    def open(self) -> str | None:
        """Open the socket and return its local address; return None if it is open already.

        Raises ValueError if the question cannot be a DNS message.
        """
        if self._questions is None:
            self._questions = Questions(self._server.query, self._server.rrtype)
        if self._socket is not None:
            return None
        self._socket = UdpSocket(self._server.address, self._server.port)
        return self._socket.source()

    def ask(self, now: float, *, with_liveness: bool) -> None:
        """Ask the base question, and a liveness question if one is due or `with_liveness`."""
        if self._socket is None or self._questions is None:
            return
        self._socket.send(BASE, self._questions.base, now)
        healthy = now - self._answered_at < 2 * self._server.interval
        form = self._forms.next_form(now, healthy=healthy)
        if form is None and with_liveness:
            form = FORMS - 1
        if form is not None:
            self._socket.send(form, self._questions.liveness[form], now)

    def wait(self) -> None:
        """Wait at most a millisecond for a reply."""
        if self._socket is not None:
            self._socket.wait(1)

    def receive(self, now: float) -> tuple[bool, str]:
        """Take the waiting replies; return whether there were any, and a change they report."""
        answered, change = False, ""
        while self._socket is not None and (reply := self._socket.receive()):
            answered = True
            change = self.learn(*reply, now) or change
        return answered, change

    def learn(self, form: int, sent: float, header: bytes, now: float) -> str:
        """Learn from one reply; return a sentence if the answer has changed."""
        if form != BASE:
            if is_local(form, header):
                self._forms.answered(form, now - sent)
            return ""
        self._answered_at = now
        answer = meaning(header)
        return self._usual.compare(answer, now) if answer else ""

    def liveness(self, number: int) -> tuple[int, bytes]:
        """Return the form and the message of a liveness question; the forms take turns."""
        if self._questions is None:
            return 0, b""
        forms = self._forms.proven() or range(FORMS)
        form = forms[number % len(forms)]
        return form, self._questions.liveness[form]

    def silence_counts(self) -> bool:
        """Return whether there are liveness questions that the server answers at once."""
        return bool(self._forms.proven())

    def may_report(self, now: float) -> bool:
        """Return whether one more change may be reported."""
        return self._usual.may_report(now)

    def settle(self) -> None:
        """Take the present answer as the usual one."""
        self._usual.settle()

    def switch_to(self, answered: UdpSocket | None, now: float) -> bool:
        """Use this socket, which was answered, if the present one was not for long.

        Several workers may share a port, and the present socket may belong to a stuck one.
        """
        if answered is None or now - self._answered_at < _UNANSWERED:
            return False
        self.close()
        self._socket, self._answered_at = answered, now
        return True

    def forget(self) -> None:
        """Forget what was learnt: after a restart it may be another program."""
        self._forms = AnsweredForms()
        self._usual.forget()

    def close(self) -> None:
        """Close the socket; a reply on its way is lost."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
