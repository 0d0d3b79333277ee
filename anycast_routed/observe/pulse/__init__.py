"""The pulse: is the DNS server there at all, and answers it anything? Known within milliseconds.

It is not the check: whether the server resolves well is for `observe.dns` to say. The pulse knows
that a server is gone or hung long before a check could time out, by four senses, the quick first:
its sockets (the kernel tells of each that closes), refusals, its processes (`/proc` shows those
that are stopped, exiting or dumping core), and silence.

    sock_diag ── a socket closes ──┐
    probe, burst ── replies ───────┼─▶ target ─▶ Notice(DEAD | ALIVE | CHANGED)
    processes ── /proc ────────────┘
"""

from anycast_routed.observe.pulse.events import Notice, Senses, Server, Sign
from anycast_routed.observe.pulse.pulse import Pulse

__all__ = ["Notice", "Pulse", "Senses", "Server", "Sign"]
