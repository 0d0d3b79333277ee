"""Observe one server: probe it, judge the answer or the silence, and plan the next step."""

import asyncio
from enum import Enum, auto
from typing import Final

from anycast_routed.observe.pulse.burst import GAP
from anycast_routed.observe.pulse.condition import Condition, State
from anycast_routed.observe.pulse.conversation import Conversation
from anycast_routed.observe.pulse.events import Notice, Senses, Server
from anycast_routed.observe.pulse.host_view import HostView
from anycast_routed.observe.pulse.server_sockets import ServerSockets
from anycast_routed.observe.pulse.silence import Silence, SilenceTest
from anycast_routed.observe.sock_diag import Listeners

SLACK: Final = 0.001
"""Steps that are due within this many seconds share one wake-up."""
_ANSWER_TIME: Final = 0.01
"""Seconds after which an unanswered base probe starts a burst."""
_RETRY: Final = 1.0
"""Seconds until the next try after this host could not send a query."""
_DEAD_INTERVAL: Final = 0.1
"""The longest interval, in seconds, between probes of a dead server: its return matters."""


class _Step(Enum):
    """One thing to do about a server."""

    OPEN = auto()
    PROBE = auto()
    TAKE_REPLY = auto()
    JUDGE = auto()
    BEGIN_BURST = auto()
    BURST = auto()


class Target:
    """Probes one server whenever a step is due, and reports what it finds; it never raises.

    PROBE ─▶ JUDGE ─▶ PROBE ...               answered within 10 ms
               └────▶ BURST ─▶ BURST ...      until there is an answer, or enough silence
    """

    def __init__(self, server: Server, host: HostView, notices: asyncio.Queue[Notice]) -> None:
        self.server = server
        self.sockets = ServerSockets(server, host)
        self.due = 0.0
        """Monotonic seconds of the next step."""
        self._host = host
        self._condition = Condition(server, notices)
        self._conversation = Conversation(server)
        self._next = _Step.PROBE
        self._next_probe = 0.0
        self._asked = 0.0
        self._answers_at_once = False
        """The last base question was answered within a millisecond or so."""
        self._test: SilenceTest | None = None
        self._trouble = ""

    def begin(self, now: float) -> None:
        """Prepare the questions and the first probe, which is due at once."""
        self.due = self._next_probe = now
        self._do(_Step.OPEN, now)

    def close(self) -> None:
        """Close all sockets."""
        self._end_burst()
        self._conversation.close()

    def turn(self, now: float, *, late: bool) -> bool:
        """Do the step that is due and set `due`; return whether a reply may come at once.

        `late`: this process did not run for a while, so that silence may be its own fault.
        """
        self.due = now + GAP
        self._do(self._next, now, late=late)
        return self._answers_at_once and self._next is _Step.JUDGE

    def await_reply(self) -> None:
        """Wait at most a millisecond for the reply, at half the cost of a turn of the loop."""
        self._conversation.wait()

    def take_reply(self, now: float) -> None:
        """Take the reply if it has come: then nothing is due before the next base probe."""
        self._do(_Step.TAKE_REPLY, now)

    def settle(self) -> None:
        """Take the present answer as the usual one."""
        self._conversation.settle()

    def update_sockets(self, on_port: Listeners | None, now: float) -> bool:
        """Take over the sockets on the server's port; return whether the server's own changed."""
        had_sockets = self.sockets.has_sockets()
        changed = self.sockets.update(on_port)
        if had_sockets and changed and self._condition.state is not State.DEAD:
            if not self.sockets.has_sockets():
                # Even if a new server opens new sockets at once, this one is dead: the host refuses
                # the queries in between.
                at = f"{self.server.address} port {self.server.port}"
                self._died(f"nothing listens any more on {at}", now)
            elif self._test is None:
                self._next, self.due = _Step.PROBE, now
        return changed

    def senses(self) -> Senses:
        """Return which senses work."""
        missing = [*self.sockets.missing(), *([self._trouble] if self._trouble else [])]
        return Senses(
            sockets=self.sockets.has_sockets() and not self._host.trouble,
            processes=self.sockets.has_processes(),
            answers=not self._trouble,
            detail="; ".join(missing),
        )

    def _do(self, step: _Step, now: float, *, late: bool = False) -> None:
        try:
            match step:
                case _Step.PROBE:
                    self._probe(now)
                case _Step.TAKE_REPLY:
                    self._take_reply(now)
                case _Step.JUDGE:
                    self._judge(now, late=late)
                case _Step.BURST:
                    self._continue_burst(now, late=late)
                case _Step.BEGIN_BURST:
                    self._begin_burst(now)
                case _Step.OPEN:
                    self._open()
        except ConnectionRefusedError:
            self._refused(now)
        except (OSError, ValueError) as error:
            self._unable(getattr(error, "strerror", None) or str(error), now)

    def _open(self) -> None:
        if source := self._conversation.open():
            self.sockets.locate(source)
            self._host.suspect_ports.add(self.server.port)
            self._trouble = ""

    def _probe(self, now: float) -> None:
        dead = self._condition.state is State.DEAD
        # All servers are probed on one grid, so that one wake-up serves them all.
        pause = min(self.server.interval, _DEAD_INTERVAL) if dead else self.server.interval
        self._next_probe += pause * (1 + (now + SLACK - self._next_probe) // pause)
        self._open()
        self._receive(now)  # later replies were sent by a server that is alive now
        self._next, self.due, self._asked = _Step.JUDGE, now + _ANSWER_TIME, now
        # A server that has just returned may take long for its first answer to the base question.
        self._conversation.ask(now, with_liveness=dead)

    def _take_reply(self, now: float) -> None:
        self._answers_at_once = self._receive(now)
        if self._answers_at_once:
            self._rest()

    def _judge(self, now: float, *, late: bool) -> None:
        self._answers_at_once = self._receive(now)
        if self._answers_at_once or self._condition.state is State.DEAD:
            self._rest()
        elif fault := self.sockets.fault():
            self._died(fault, self._asked)
        elif self._condition.state is State.SILENT:
            self._rest()
        elif late:
            self._probe(now)
        else:
            self._begin_burst(now)

    def _begin_burst(self, now: float) -> None:
        parts = self._conversation, self.sockets, self._host
        self._test = SilenceTest(self.server, *parts, now)
        self._next = _Step.BURST
        self._test.ask(now)

    def _continue_burst(self, now: float, *, late: bool) -> None:
        if self._test is None:
            self._rest()
            return
        found = self._test.step(now, late=late)
        if found.change:
            self._condition.changed(found.change, now)
        match found.silence:
            case Silence.PENDING:
                self.due = now + self._test.pause()
            case Silence.ANSWERED:
                self._answered(now)
                self._rest()
            case Silence.REFUSED:
                self._refused(now)
            case Silence.DEAD:
                self._died(found.reason, self._asked)
            case Silence.UNPROVEN:
                self._leave_to_check(found.reason, now)

    def _leave_to_check(self, reason: str, now: float) -> None:
        """Leave the silent server to its check, which waits longer, until there is an answer."""
        self._rest()
        # What may not be reported yet is found again by the next probe.
        if self._conversation.may_report(now):
            self._condition.silent()
            self._condition.changed(f"it is silent: {reason}", self._asked)

    def _end_burst(self) -> None:
        if self._test is not None:
            self._test.close()
            self._test = None

    def _rest(self) -> None:
        """Wait for the next base probe."""
        self._end_burst()
        self._next, self.due = _Step.PROBE, self._next_probe

    def _receive(self, now: float) -> bool:
        """Take the replies on the base socket; return whether there were any."""
        answered, change = self._conversation.receive(now)
        if answered:
            self._answered(now)
        if change:
            self._condition.changed(change, now)
        return answered

    def _answered(self, now: float) -> None:
        if self._condition.answered(now):
            self._host.suspect_ports.add(self.server.port)

    def _refused(self, now: float) -> None:
        """Handle a refusal: the second one, to another port, is proof that the server is gone."""
        if self._condition.state is State.DEAD:
            self._rest()
            return
        self._host.suspect_ports.add(self.server.port)
        if (first := self._condition.refused(now)) is not None:
            at = f"{self.server.address} port {self.server.port}"
            self._died(f"connection refused: nothing listens on {at}", first)
        elif self._test is None:
            self._next, self.due = _Step.BEGIN_BURST, now

    def _died(self, reason: str, at: float) -> None:
        self.close()  # so that no late reply from before its death counts as an answer
        self._next_probe = min(self._next_probe, at + _DEAD_INTERVAL)
        self._rest()
        self._conversation.forget()
        self._condition.died(reason, at)

    def _unable(self, error: str, now: float) -> None:
        self.close()
        self._trouble = f"no query can be sent: {error}"
        self._next, self.due = _Step.PROBE, now + _RETRY
