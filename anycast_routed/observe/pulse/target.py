"""One server under observation: what is done about it next, and when."""

import asyncio
from collections.abc import Callable
from typing import Final

from anycast_routed.observe.pulse.burst import APART, EARLY, GAP, SILENCE, Burst
from anycast_routed.observe.pulse.conversation import Conversation
from anycast_routed.observe.pulse.events import Notice, Senses, Server, Sign
from anycast_routed.observe.pulse.host_view import Local
from anycast_routed.observe.pulse.overload import excuse
from anycast_routed.observe.pulse.probe import Udp
from anycast_routed.observe.pulse.server_sockets import Trace
from anycast_routed.observe.pulse.sock_diag import Listeners

SLACK: Final = 0.001
"""Turns that are due within so many seconds share one wake-up."""
_MISS: Final = 0.01
"""Seconds after which an unanswered base probe calls for a closer look."""
_RETRY: Final = 1.0
"""Seconds until we try again what our own host did not let us do."""
_DEAD_INTERVAL: Final = 0.1
"""Seconds from one probe of a dead server to the next, at most: its return matters."""
_BURSTS: Final = 8
"""More bursts than these at once share the time, so that we do not become the load."""


class Target:
    """Probes one server when its turn comes, tells what it finds, and never raises for it.

    probe ─▶ judge ─▶ probe ...          answered within 10 ms
               └────▶ step ─▶ step ...   a burst, until there is any answer or enough silence
    """

    def __init__(self, server: Server, local: Local, notices: asyncio.Queue[Notice]) -> None:
        self.server = server
        self.trace = Trace(server, local)
        self.due = 0.0
        """Monotonic seconds of its next turn."""
        self._local = local
        self._notices = notices
        self._talk = Conversation(server)
        self._act: Callable[[float, bool], None] = self._probe
        self._next_probe = 0.0
        self._asked = 0.0
        self._prompt = False
        """It is such a server as answers within a millisecond."""
        self._burst: Burst | None = None
        self._refused_at: float | None = None
        self._dead = False
        self._odd = False
        """It is silent, and that was told as a change, since it proves nothing."""
        self._trouble = ""

    def begin(self, now: float) -> None:
        """Prepare the questions and the first probe, which is due at once."""
        self.due = self._next_probe = now
        self._guarded(self._open, now, False)  # noqa: FBT003 - not late

    def close(self) -> None:
        """Close all sockets."""
        self._end_burst()
        self._talk.close()

    def turn(self, now: float, *, late: bool) -> bool:
        """Do what is due, and set `due` anew; return whether a reply may come at once.

        `late`: our own process did not run for a while.
        """
        self.due = now + GAP
        self._guarded(self._act, now, late)
        return self._prompt and self._act == self._judge

    def await_reply(self) -> None:
        """Wait for the reply, but no longer than a millisecond.

        It is there much sooner, as a rule, and to wait for it here costs half of another round of
        the event loop.
        """
        self._talk.wait()

    def glance(self, now: float) -> None:
        """Take the reply if it is there already: then nothing is due before the next base probe."""
        self._guarded(self._glance, now, False)  # noqa: FBT003 - not late

    def settle(self) -> None:
        """Take what it answers now for normal."""
        self._talk.settle()

    def saw(self, on_port: Listeners | None, now: float) -> bool:
        """Take in the sockets on its port; return whether its own have changed."""
        had = self.trace.has_sockets()
        changed = self.trace.saw(on_port)
        if had and changed and not self._dead:
            if not self.trace.has_sockets():
                # A server that opens new ones in the next moment is still dead for this one: what
                # is asked meanwhile is refused.
                at = f"{self.server.address} port {self.server.port}"
                self._died(f"nothing listens any more on {at}", now)
            elif self._burst is None:
                self._act, self.due = self._probe, now
        return changed

    def senses(self) -> Senses:
        """Say which senses work."""
        said = [*self.trace.lacks(), *([self._trouble] if self._trouble else [])]
        return Senses(
            sockets=self.trace.has_sockets() and not self._local.trouble,
            processes=self.trace.has_processes(),
            answers=not self._trouble,
            detail="; ".join(said),
        )

    def _guarded(self, act: Callable[[float, bool], None], now: float, late: bool) -> None:  # noqa: FBT001 - one form for all acts
        try:
            act(now, late)
        except ConnectionRefusedError:
            self._refused(now)
        except (OSError, ValueError) as error:
            self._unable(getattr(error, "strerror", None) or str(error), now)

    def _open(self, _now: float, _late: bool) -> None:  # noqa: FBT001 - one form for all acts
        if source := self._talk.open():
            self.trace.locate(source)
            self._local.suspects.add(self.server.port)
            self._trouble = ""

    def _probe(self, now: float, late: bool) -> None:  # noqa: FBT001 - one form for all acts
        # All servers keep to one grid, so that one wake-up of ours serves them all.
        pause = min(self.server.interval, _DEAD_INTERVAL) if self._dead else self.server.interval
        self._next_probe += pause * (1 + (now + SLACK - self._next_probe) // pause)
        self._open(now, late)
        self._hear(now)  # what comes from now on has been sent by a server that lives now
        self._act, self.due, self._asked = self._judge, now + _MISS, now
        # One that has come back may take long for its first answer to the base question.
        self._talk.ask(now, lively=self._dead)

    def _glance(self, now: float, _late: bool) -> None:  # noqa: FBT001 - one form for all acts
        self._prompt = self._hear(now)
        if self._prompt:
            self._rest()

    def _judge(self, now: float, late: bool) -> None:  # noqa: FBT001 - one form for all acts
        self._prompt = self._hear(now)
        if self._prompt or self._dead:
            self._rest()
        elif said := self.trace.evidence():
            self._died(said, self._asked)
        elif self._odd:
            self._rest()
        elif late:
            self._probe(now, late)
        else:
            self._begin_burst(now, late)

    def _step(self, now: float, late: bool) -> None:  # noqa: FBT001 - one form for all acts
        burst = self._burst
        if burst is None:
            self._rest()
        elif self._hears(burst, now):
            pass
        elif said := self.trace.evidence():
            self._died(said, self._asked)
        else:
            if late:
                burst.restart(now)
            self._go_on(burst, now)

    def _hears(self, burst: Burst, now: float) -> bool:
        """Take in what has come; return whether that was anything."""
        if self._hear(now):
            self._rest()
            return True
        replies, answered, refused = burst.hear()
        for reply in replies:
            if change := self._talk.take(*reply, now):
                self._tell(Sign.CHANGED, change, now)
        if replies or burst.heard_over_tcp():
            self._lives(now)
            self._rest(keep=answered if self._talk.prefers(answered, now) else None)
            return True
        if refused:
            self._refused(now)
        return bool(refused)

    def _go_on(self, burst: Burst, now: float) -> None:
        if not burst.over(now):
            self.due = now + GAP * max(1.0, self._local.bursts / _BURSTS)
            if burst.asked == EARLY:
                burst.effort = self.trace.effort(now)
            burst.ask(*self._talk.liveness(burst.asked), now)
        elif not (self._talk.silence_counts() and burst.proves()):
            self._is_odd("which may be its habit", now)
        elif burst.effort and (said := excuse(burst.effort, self.trace.effort(now, fresh=True))):
            self._is_odd(said, now)
        elif not self._hears(burst, now):  # while we looked at its processes
            within = f"{SILENCE * 1000:g} ms over UDP and TCP"
            self._died(f"no answer to {burst.asked} questions within {within}", self._asked)

    def _is_odd(self, why: str, now: float) -> None:
        """Leave it to the check, which is more patient, until there is an answer again."""
        self._rest()
        self._odd = True
        if self._talk.affordable(now):
            self._tell(Sign.CHANGED, f"it is silent: {why}", self._asked)

    def _begin_burst(self, now: float, _late: bool) -> None:  # noqa: FBT001 - one form for all acts
        self._burst = Burst(self.server.address, self.server.port, now)
        self._local.bursts += 1
        self._act = self._step
        self._burst.ask(*self._talk.liveness(0), now)

    def _end_burst(self, keep: Udp | None = None) -> None:
        if self._burst is not None:
            self._burst.close(keep)
            self._burst = None
            self._local.bursts -= 1

    def _rest(self, keep: Udp | None = None) -> None:
        """Wait for the next base probe."""
        self._end_burst(keep)
        self._act, self.due = self._probe, self._next_probe

    def _hear(self, now: float) -> bool:
        heard, change = self._talk.hear(now)
        if heard:
            self._lives(now)
        if change:
            self._tell(Sign.CHANGED, change, now)
        return heard

    def _lives(self, now: float) -> None:
        self._refused_at = None
        self._odd = False
        if self._dead:
            self._dead = False
            self._local.suspects.add(self.server.port)
            self._tell(Sign.ALIVE, "it answers again", now)

    def _refused(self, now: float) -> None:
        """Take a refusal. A second one, to another port, is proof; one alone may be a restart."""
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
            self._act, self.due = self._begin_burst, now

    def _died(self, reason: str, at: float) -> None:
        self.close()  # so that no late reply from before its death says that it lives
        self._next_probe = min(self._next_probe, at + _DEAD_INTERVAL)
        self._rest()
        self._talk.forget()
        self._dead, self._refused_at, self._odd = True, None, False
        self._tell(Sign.DEAD, reason, at)

    def _unable(self, trouble: str, now: float) -> None:
        self.close()
        self._trouble = f"it cannot be asked: {trouble}"
        self._act, self.due = self._probe, now + _RETRY

    def _tell(self, sign: Sign, reason: str, at: float) -> None:
        self._notices.put_nowait(Notice(self.server, sign, reason, at))
