"""What befalls a DNS server, each with the time at which it did, and its end."""

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
        """Start it again, and return when it listens."""


class Hog:
    """A DNS server that holds much memory, which the kernel frees before it closes sockets."""

    def __init__(self, host: Host, gib: float) -> None:
        self.host = host
        self._gib = gib
        self.daemon = large_memory_dns.start(host, gib=gib)

    def restart(self) -> None:
        """Start it again, and return when it listens."""
        self.daemon.kill()
        self.daemon = large_memory_dns.start(self.host, gib=self._gib)


def unbound(host: Host, *, other_user: bool = False) -> dns.Unbound:
    """Start an unbound that has the zone; as another user than our daemon's where that counts."""
    return dns.unbound(host, zones={ZONE: ()}, extra=_OTHER_USER if other_user else "")


def nsd(host: Host, workers: int = 1) -> dns.Nsd:
    """Start an NSD that has the zone."""
    return dns.nsd(host, zones={ZONE: ()}, workers=workers)


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop one process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def note_pid(server: Server) -> None:
    """Write the server's PID file, as its unit would."""
    status = Path(f"/proc/{server.daemon.pid}/status").read_text("ascii")
    # The number that it has inside of its host comes last.
    inside = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
    server.host.write(PID_FILE, f"{inside}\n")


class Fault(Protocol):
    """One kind of fault, of one server. Both methods return a time (time.monotonic())."""

    def strike(self) -> float:
        """Bring it about; the time is before it."""

    def heal(self) -> float:
        """End it; the time is when the server is there again."""


class Killed:
    """SIGKILL to all its processes; then it is started again."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def strike(self) -> float:
        """Kill."""
        at = time.monotonic()
        self._server.daemon.kill(whole=True)
        return at

    def heal(self) -> float:
        """Start it again; the time is when it listens."""
        self._server.restart()
        note_pid(self._server)
        return time.monotonic()


class Hung:
    """SIGSTOP to all its processes; then SIGCONT."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def strike(self) -> float:
        """Stop it."""
        at = time.monotonic()
        self._server.daemon.pause(whole=True)
        return at

    def heal(self) -> float:
        """Let it go on."""
        at = time.monotonic()
        self._server.daemon.resume()
        return at


class Failing:
    """Unbound answers SERVFAIL, as a resolver does that has lost its upstream.

    It is told over its control socket directly: unbound-control itself would take 10 ms of it.
    """

    def __init__(self, server: Server) -> None:
        self._host = server.host

    def strike(self) -> float:
        """Fail."""
        return self._tell("always_transparent")

    def heal(self) -> float:
        """Answer again."""
        return self._tell("static")

    def _tell(self, kind: str) -> float:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(str(self._host.path("/run/unbound.ctl")))
            at = time.monotonic()
            control.sendall(f"UBCT1 local_zone {ZONE} {kind}\n".encode("ascii"))
            answer = control.recv(100)
        if answer.strip() != b"ok":
            message = f"unbound does not take local_zone {ZONE} {kind}: {answer!r}"
            raise LabError(message)
        return at


class Dropped:
    """A packet filter on the host drops all that is sent to the server (nft)."""

    def __init__(self, server: Server) -> None:
        self._host = server.host

    def strike(self) -> float:
        """Drop; nft itself takes some milliseconds, which count as ours."""
        at = time.monotonic()
        self._host.run("nft", "-f", "-", stdin=_DROP)
        return at

    def heal(self) -> float:
        """Let all pass again; the time is when nft has ended."""
        self._host.run("nft", "delete", "table", "inet", "bench")
        return time.monotonic()
