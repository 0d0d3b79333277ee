"""The values that go into the pulse and come out of it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from anycast_routed.model import Address


@dataclass(frozen=True, slots=True)
class Server:
    """One DNS server to feel the pulse of; services with an equal Server share one."""

    address: Address
    port: int
    query: str
    rrtype: str
    interval: float = 0.1
    """Seconds from one base probe to the next."""
    pid_file: Path | None = None
    """Where its PID can be read, for when neither its sockets nor its cgroup tell it."""


class Sign(StrEnum):
    """What there is to tell of a server."""

    DEAD = "dead"
    """There is proof that it is gone or hung. Sent once."""
    ALIVE = "alive"
    """It answers again after DEAD. Sent once."""
    CHANGED = "changed"
    """It answers our question otherwise than before, or is oddly silent: time for a check."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sign of a server."""

    server: Server
    sign: Sign
    reason: str
    """A sentence for people."""
    at: float
    """Monotonic seconds of the first evidence."""


@dataclass(frozen=True, slots=True)
class Senses:
    """Which senses work for a server now."""

    sockets: bool
    """The kernel will tell of the death of its sockets."""
    processes: bool
    """The processes that hold its sockets are known."""
    answers: bool
    """It can be sent questions."""
    detail: str
    """Why those that do not work do not; empty when all work."""
