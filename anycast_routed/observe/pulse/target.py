"""One server under observation: what is done about it next, and when."""

import asyncio
import os
from typing import TYPE_CHECKING, Final

from anycast_routed.observe.pulse.burst import APART, GAP, SILENCE, Burst
from anycast_routed.observe.pulse.habits import Habits, Normal
from anycast_routed.observe.pulse.local import Local
from anycast_routed.observe.pulse.probe import Udp
from anycast_routed.observe.pulse.processes import Owners
from anycast_routed.observe.pulse.questions import BASE, FORMS, Questions, is_local, meaning
from anycast_routed.observe.pulse.signs import Notice, Senses, Server, Sign
from anycast_routed.observe.pulse.sock_diag import Listener
from anycast_routed.observe.pulse.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

_MISS: Final = 0.01
"""Seconds after which an unanswered base probe calls for a closer look."""
_RETRY: Final = 1.0
"""Seconds until we try again what our own host did not let us do."""
_BASE_LOST: Final = 2.0
"""Seconds without any answer to a base probe after which another port is taken for them."""
_BURSTS: Final = 8
"""More bursts than these at once share the time, so that we do not become the load."""


class Target:
    """Probes one server when its turn comes, and tells what it finds.

    It does I/O that never waits, and never raises for what a server or the host does.
    """

    def __init__(self, server: Server, local: Local, notices: asyncio.Queue[Notice]) -> None:
        self.server = server
        self.trace = Trace(server, local)
        self.due = 0.0
        """Monotonic seconds of its next turn."""
        self._local = local
        self._notices = notices
        self._questions: Questions | None = None
        self._act: Callable[[float, bool], None] = self._probe
        self._base: Udp | None = None
        self._next_base = 0.0
        self._asked = 0.0
        self._base_answered = 0.0
        self._burst: Burst | None = None
        self._refused_at: float | None = None
        self._habits = Habits()
        self._normal = Normal()
        self._dead = False
        self._odd = False
        """It is silent, and that was told as a change, since it proves nothing."""
        self._trouble = ""

    def begin(self, now: float) -> None:
        """Prepare the questions and the first probe, which is due at once."""
        self.due = self._next_base = self._base_answered = now
        try:
            self._questions = Questions(self.server.query, self.server.rrtype)
            self._open()
        except (ValueError, OSError) as error:
            self._unable(str(error), now)

    def close(self) -> None:
        """Close all sockets."""
        self._end_burst()
        if self._base is not None:
            self._base.close()
            self._base = None

    def turn(self, now: float, *, late: bool) -> None:
        """Do what is due, and set `due` anew. `late`: our own process did not run for a while."""
        self.due = now + GAP
        try:
            self._act(now, late)
        except ConnectionRefusedError:
            self._refused(now)
        except OSError as error:
            self._unable(os.strerror(error.errno) if error.errno else str(error), now)

    def settle(self) -> None:
        """Take what it answers now for normal."""
        self._normal.settle()

    def saw(self, on_port: tuple[Listener, ...] | None, now: float) -> bool:
        """Take in the sockets on its port; return whether its own have changed."""
        had = self.trace.has_sockets()
        changed = self.trace.saw(on_port)
        if had and changed and on_port is not None and not self._dead:
            if not self.trace.has_sockets():
                # A server that opens new ones in the next moment is still dead for this one: what
                # is asked meanwhile is refused.
                self._died("its last socket has closed", now)
            elif self._burst is None:
                self._act, self.due = self._probe, now
        return changed

    def held_by(self, owners: Owners) -> None:
        """Take in who holds the sockets."""
        self.trace.held_by(owners)

    def senses(self) -> Senses:
        """Say which senses work."""
        said = [*self.trace.lacks(), *([self._trouble] if self._trouble else [])]
        return Senses(
            sockets=self.trace.has_sockets(),
            processes=self.trace.has_processes(),
            answers=not self._trouble,
            detail="; ".join(said),
        )

    def _open(self) -> Udp:
        self._base = Udp(self.server.address, self.server.port)
        self.trace.locate(self._base.source())
        self._trouble = ""
        return self._base

    def _probe(self, now: float, _late: bool) -> None:  # noqa: FBT001 - one form for all acts
        if self._questions is None:
            self.due = now + _RETRY
            return
        # All servers keep to one grid, so that one wake-up of ours serves them all.
        while self._next_base <= now:
            self._next_base += self.server.interval
        base = self._base or self._open()
        self._act, self.due = self._judge, now + _MISS
        self._asked = now
        base.send(BASE, self._questions.base, now)
        well = now - self._base_answered < 2 * self.server.interval + _MISS
        form = self._habits.lesson(now, well=well)
        if form is not None:
            base.send(form, self._questions.liveness[form], now)

    def _judge(self, now: float, late: bool) -> None:  # noqa: FBT001
        if self._hear(now) or self._dead or self._odd:
            self._rest()
        elif said := self.trace.evidence(now):
            self._died(said, self._asked)
        elif late:
            self._probe(now, late)
        else:
            self._begin_burst(now)

    def _step(self, now: float, late: bool) -> None:  # noqa: FBT001
        burst = self._burst
        if burst is None:
            self._rest()
            return
        alive = self._hear(now)
        replies, answered, refused = burst.hear()
        for reply in replies:
            self._take(*reply, now)
        if not replies and not alive and burst.heard_over_tcp():
            alive = True
            self._lives(now)
        if alive or replies:
            self._move_base(answered, now)
            self._rest()
        elif refused:
            self._refused(now)
        elif said := self.trace.evidence(now):
            self._died(said, self._asked)
        else:
            if late:
                burst.restart(now)
            self._go_on(burst, now)

    def _go_on(self, burst: Burst, now: float) -> None:
        forms = self._habits.proven()
        if not burst.over(now):
            self.due = now + GAP * max(1.0, self._local.bursts / _BURSTS)
            self._ask(burst, now)
        elif forms and burst.proves():
            within = f"{SILENCE * 1000:g} ms over UDP and TCP"
            self._died(f"no answer to {burst.asked} questions within {within}", self._asked)
        else:
            self._rest()
            self._odd = True
            if self._normal.affordable(now):
                self._tell(Sign.CHANGED, "it is silent, which it may be at times", self._asked)

    def _begin_burst(self, now: float) -> None:
        self._burst = Burst(self.server.address, self.server.port, now)
        self._local.bursts += 1
        self._act = self._step
        self._ask(self._burst, now)

    def _ask(self, burst: Burst, now: float) -> None:
        if self._questions is not None:
            forms = self._habits.proven() or range(FORMS)
            form = forms[burst.asked % len(forms)]
            burst.ask(form, self._questions.liveness[form], now)

    def _end_burst(self, keep: Udp | None = None) -> None:
        if self._burst is not None:
            self._burst.close(keep)
            self._burst = None
            self._local.bursts -= 1

    def _rest(self) -> None:
        """Wait for the next base probe."""
        self._end_burst()
        self._act, self.due = self._probe, self._next_base

    def _hear(self, now: float) -> bool:
        heard = False
        while self._base is not None and (reply := self._base.receive()):
            self._take(*reply, now)
            heard = True
        return heard

    def _take(self, form: int, sent: float, header: bytes, now: float) -> None:
        self._lives(now)
        if form != BASE:
            if is_local(form, header):
                self._habits.answered(form, now - sent)
            return
        self._base_answered = now
        said = meaning(header)
        if said and (change := self._normal.heard(said, now)):
            self._tell(Sign.CHANGED, change, now)

    def _lives(self, now: float) -> None:
        self._refused_at = None
        self._odd = False
        if self._dead:
            self._dead = False
            self._local.suspects.add(self.server.port)
            self._tell(Sign.ALIVE, "it answers again", now)

    def _move_base(self, answered: Udp | None, now: float) -> None:
        """Go over to a port that is answered: the old one may lead to a stuck worker."""
        if answered is not None and now - self._base_answered > _BASE_LOST:
            if self._base is not None:
                self._base.close()
            self._base, self._base_answered = answered, now
            self._end_burst(keep=answered)

    def _refused(self, now: float) -> None:
        if self._dead:
            self._rest()
            return
        self._local.suspects.add(self.server.port)
        if self._refused_at is None:
            self._refused_at = now
        elif now - self._refused_at >= APART:
            at = f"{self.server.address} port {self.server.port}"
            self._died(f"connection refused: nothing listens on {at}", self._refused_at)
            return
        if self._burst is None:
            self._begin_burst(now)

    def _died(self, reason: str, at: float) -> None:
        self.close()  # so that no late reply from before its death says that it lives
        self._rest()
        self._dead, self._refused_at, self._odd = True, None, False
        self._habits, dead = Habits(), Notice(self.server, Sign.DEAD, reason, at)
        self._normal.forget()
        self._notices.put_nowait(dead)

    def _unable(self, trouble: str, now: float) -> None:
        self.close()
        self._trouble = f"it cannot be asked: {trouble}"
        self._act, self.due = self._probe, now + _RETRY

    def _tell(self, sign: Sign, reason: str, at: float) -> None:
        self._notices.put_nowait(Notice(self.server, sign, reason, at))
