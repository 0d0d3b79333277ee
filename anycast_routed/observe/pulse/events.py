"""The values that go into the pulse and come out of it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from anycast_routed.model import Address


@dataclass(frozen=True, slots=True)
class Server:
    """One DNS server to observe; services with an equal Server share one."""

    address: Address
    port: int
    query: str
    rrtype: str
    interval: float = 0.1
    """Seconds from one base probe to the next."""
    pid_file: Path | None = None
    """The file with its PID, used if neither its sockets nor its cgroup lead to its processes."""


class Sign(StrEnum):
    """What a notice reports."""

    DEAD = "dead"
    """There is proof that the server is gone or hung. Sent once."""
    ALIVE = "alive"
    """The server answers again after DEAD. Sent once."""
    CHANGED = "changed"
    """The answer to the base question changed, or silence proves nothing: run a check now."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of one server."""

    server: Server
    sign: Sign
    reason: str
    """A sentence for the operator."""
    at: float
    """Monotonic seconds of the first evidence."""


@dataclass(frozen=True, slots=True)
class Senses:
    """Which senses work for a server now."""

    sockets: bool
    """The kernel will report when its sockets are closed."""
    processes: bool
    """The processes that hold its sockets are known."""
    answers: bool
    """Queries can be sent to it."""
    detail: str
    """Why the other senses do not work; empty if all work."""
