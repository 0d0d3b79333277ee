"""Find out with a burst of questions whether a server that did not answer is dead."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from anycast_routed.observe.pulse.burst import ACTIVITY_AT, GAP, SILENCE, Burst
from anycast_routed.observe.pulse.conversation import Conversation
from anycast_routed.observe.pulse.deadlock import explain_silence, explain_states
from anycast_routed.observe.pulse.events import Server
from anycast_routed.observe.pulse.host_view import HostView
from anycast_routed.observe.pulse.server_sockets import ServerSockets

if TYPE_CHECKING:
    from anycast_routed.observe.pulse.probe import UdpSocket

_BURSTS: Final = 8
"""With more simultaneous bursts than this each slows down, to limit the load on the host."""


class Silence(Enum):
    """What a test has found so far."""

    PENDING = auto()
    ANSWERED = auto()
    REFUSED = auto()
    DEAD = auto()
    UNPROVEN = auto()
    """The server is silent, which does not prove that it is dead."""


@dataclass(frozen=True, slots=True)
class SilenceResult:
    """What the silence proves, why, and a change of the server's answers, if there is one."""

    silence: Silence
    reason: str = ""
    change: str = ""


class SilenceTest:
    """One burst at one server. Its methods raise OSError if the host cannot send a question."""

    def __init__(
        self,
        server: Server,
        conversation: Conversation,
        sockets: ServerSockets,
        host: HostView,
        now: float,
    ) -> None:
        self._conversation = conversation
        self._sockets = sockets
        self._host = host
        self._burst = Burst(server.address, server.port, now)
        self._kept: UdpSocket | None = None
        """The socket that the conversation took over."""
        host.bursts += 1

    def ask(self, now: float) -> None:
        """Send the next question."""
        self._burst.ask(*self._conversation.liveness(self._burst.asked), now)

    def pause(self) -> float:
        """Return the seconds until the next step."""
        return GAP * max(1.0, self._host.bursts / _BURSTS)

    def step(self, now: float, *, late: bool) -> SilenceResult:
        """Take what has come in, and decide or ask again.

        `late`: this process did not run for a while, so the silence is measured from now on.
        """
        if (found := self._receive(now)) is not None:
            return found
        if fault := self._sockets.fault():
            return SilenceResult(Silence.DEAD, fault)
        if late:
            self._burst.restart(now)
        if self._burst.over(now):
            return self._judge(now)
        if self._burst.asked == ACTIVITY_AT:
            self._burst.activity = self._sockets.activity()
        self.ask(now)
        return SilenceResult(Silence.PENDING)

    def close(self) -> None:
        """Close all sockets that the conversation did not take over."""
        self._burst.close(self._kept)
        self._host.bursts -= 1

    def _receive(self, now: float) -> SilenceResult | None:
        base_answered, change = self._conversation.receive(now)
        if base_answered:
            return SilenceResult(Silence.ANSWERED, change=change)
        replies, answered, refused = self._burst.receive()
        for reply in replies:
            change = self._conversation.learn(*reply, now) or change
        if replies or self._burst.answered_over_tcp():
            if self._conversation.switch_to(answered, now):
                self._kept = answered
            return SilenceResult(Silence.ANSWERED, change=change)
        return SilenceResult(Silence.REFUSED) if refused else None

    def _judge(self, now: float) -> SilenceResult:
        """Decide after enough silence."""
        if not (self._conversation.silence_counts() and self._burst.proves()):
            reason = "the questions so far do not prove that it hangs"
            return SilenceResult(Silence.UNPROVEN, reason)
        if reason := self._life():
            return SilenceResult(Silence.UNPROVEN, reason)
        # An answer may have come in while /proc was read.
        if (found := self._receive(now)) is not None:
            return found
        silence = f"no answer to {self._burst.asked} questions within {SILENCE * 1000:g} ms"
        return SilenceResult(Silence.DEAD, f"{silence}, and none of its threads ran")

    def _life(self) -> str:
        """Return why the server may still answer; empty if it is deadlocked."""
        before = self._burst.activity
        if before is None:
            return "its activity is unknown"
        after = self._sockets.activity(fresh=True)
        return explain_silence(before, after) or explain_states(self._sockets.thread_states())
