"""Faults of a DNS server: how to cause each one, when it was caused, and how to clear it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from anycast_routed.lab import dns, large_memory_dns
from anycast_routed.lab.failures import LabError
from bench.daemon_site import PID_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Daemon, Host

ZONE = "google.com."
_DROP = """\
table inet bench {
  chain input {
    type filter hook input priority 0
    meta l4proto { tcp, udp } th dport 53 drop
  }
}
"""
_OTHER_USER = 'server:\n  username: "unbound"'


class Server(Protocol):
    """A DNS server that can be killed and started again."""

    host: Host
    daemon: Daemon

    def restart(self) -> None:
        """Start the server again, and return when it listens."""


class LargeMemoryServer:
    """A DNS server that holds `gib` GiB, which the kernel frees before it closes the sockets."""

    def __init__(self, host: Host, gib: float) -> None:
        self.host = host
        self._gib = gib
        self.daemon = large_memory_dns.start(host, gib=gib)

    def restart(self) -> None:
        """Start the server again, and return when it listens."""
        self.daemon.kill()
        self.daemon = large_memory_dns.start(self.host, gib=self._gib)


def unbound(host: Host, *, other_user: bool = False) -> dns.Unbound:
    """Start an unbound with the zone; with `other_user` it runs as the user unbound."""
    return dns.unbound(host, zones={ZONE: ()}, extra=_OTHER_USER if other_user else "")


def nsd(host: Host, workers: int = 1) -> dns.Nsd:
    """Start an NSD with the zone."""
    return dns.nsd(host, zones={ZONE: ()}, workers=workers)


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Pause one process inside the `with` block (SIGSTOP, then SIGCONT)."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def write_pid_file(server: Server) -> None:
    """Write the server's PID file, as its unit would."""
    status = Path(f"/proc/{server.daemon.pid}/status").read_text("ascii")
    # The last number is the PID in the innermost namespace, that of the lab host.
    inside = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
    server.host.write(PID_FILE, f"{inside}\n")


class Fault(Protocol):
    """One kind of fault of one server. Both methods return a time (time.monotonic())."""

    def cause(self) -> float:
        """Cause the fault; return the time just before it."""

    def clear(self) -> float:
        """Clear the fault; return the time at which the server can answer again."""


class Killed:
    """SIGKILL to all processes of the server; then the server is started again."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def cause(self) -> float:
        """Kill the server."""
        at = time.monotonic()
        self._server.daemon.kill(whole=True)
        return at

    def clear(self) -> float:
        """Start the server again; return the time at which it listens."""
        self._server.restart()
        write_pid_file(self._server)
        return time.monotonic()


class Hung:
    """SIGSTOP to all processes of the server; then SIGCONT."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def cause(self) -> float:
        """Stop the processes."""
        at = time.monotonic()
        self._server.daemon.pause(whole=True)
        return at

    def clear(self) -> float:
        """Continue the processes."""
        at = time.monotonic()
        self._server.daemon.resume()
        return at


class Servfail:
    """Unbound answers SERVFAIL, as a resolver does that has lost its upstream.

    The command goes directly to unbound's control socket, since unbound-control takes 10 ms.
    """

    def __init__(self, server: Server) -> None:
        self._host = server.host

    def cause(self) -> float:
        """Answer SERVFAIL from now on."""
        return self._set_zone_type("always_transparent")

    def clear(self) -> float:
        """Answer from the zone again."""
        return self._set_zone_type("static")

    def _set_zone_type(self, kind: str) -> float:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(str(self._host.path("/run/unbound.ctl")))
            at = time.monotonic()
            control.sendall(f"UBCT1 local_zone {ZONE} {kind}\n".encode("ascii"))
            answer = control.recv(100)
        if answer.strip() != b"ok":
            message = f"unbound does not accept local_zone {ZONE} {kind}: {answer!r}"
            raise LabError(message)
        return at


class Dropped:
    """A packet filter (nftables) on the host drops every packet to the server."""

    def __init__(self, server: Server) -> None:
        self._host = server.host

    def cause(self) -> float:
        """Drop packets; the some milliseconds that nft takes count as detection time."""
        at = time.monotonic()
        self._host.run("nft", "-f", "-", stdin=_DROP)
        return at

    def clear(self) -> float:
        """Accept all packets again; return the time at which nft has ended."""
        self._host.run("nft", "delete", "table", "inet", "bench")
        return time.monotonic()
