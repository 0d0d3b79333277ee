"""Detect within milliseconds that a DNS server on this host is dead or hung.

Whether the server resolves names well is the job of `observe.checks`. The pulse detects a dead or
hung server before a check can time out. It uses four senses, the fastest first: the kernel reports
each listening socket that is closed; the host refuses a query (ICMP port unreachable); `/proc`
shows that the server's processes are stopped, exiting or dumping core; and the server is silent,
its queue grows, and none of its threads runs (a deadlock). Any other silence is left to the check.

    sock_diag ── closed sockets ──┐
    probe, burst ── replies ──────┼─▶ target ─▶ Notice(DEAD | ALIVE | CHANGED)
    processes ── /proc ───────────┘
"""

from anycast_routed.observe.pulse.events import Notice, Senses, Server, Sign
from anycast_routed.observe.pulse.pulse import Pulse

__all__ = ["Notice", "Pulse", "Senses", "Server", "Sign"]
