"""The site that the daemon is measured on: a DNS host with a router, and a peer with timestamps."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from anycast_routed.lab import Lab, bgp_receiver, bird, eventually, frr
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.groups import group_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from anycast_routed.lab import Daemon
    from anycast_routed.lab.bgp_receiver import Event, Receiver
    from anycast_routed.lab.bgp_routes import Route

Router = Literal["bird", "frr"]
Config = dict[str, Any]

RUN_DIR, STATE_DIR = "/run/anycast-routed", "/run/anycast-routed-state"
INCLUDE = f'include "{RUN_DIR[:-1]}[{RUN_DIR[-1]}]/bird.conf";\n'
PID_FILE = "/run/dns.pid"
HOST, PEER, AS = "172.17.2.1", "172.17.2.254", 64512
_HOST6, _PEER6 = "fd00:17:2::1", "fd00:17:2::fe"
_LABELLED = ("10.10.10.10/32", "10.10.10.11/32")
_USER = 61_100
"""UID of the unprivileged daemon; no other process of the machine has it."""
_EVERY = 0.02  # seconds between reads of the peer's log; the peer takes the times, so CPU is saved


def site_config(*, pid_file: bool = False) -> Config:
    """Return the config of most measurements: one service, three prefixes, a check each second.

    `fall` is 2, `timeout` is 1 s and the other values are the defaults, except `half-life`: it is
    0, so that a service may fail any number of times.
    """
    dns = {"ip": "127.0.0.1", "query": "google.com.", "interval": "1s", "half-life": 0}
    known = {"pid-file": PID_FILE} if pid_file else {}
    anycast = {
        "interface": "lo",
        "prefix": "dns",
        "localpref": 200,
        "decrease": 10,
        "nexthop-interface": "eth0",
        "routes": [{"label": "v6-primary", "ip": "fd00::10:10:10:10/128"}],
    }
    return {"dns": dns | known, "anycast": anycast, **shared_sections()}


def shared_sections() -> Config:
    """Return the sections `bgp` and `daemon`, which all configs have in common."""
    return {
        "bgp": {"id": HOST, "as": AS, "peers": [{"ip": PEER, "as": AS}]},
        "daemon": {"run-dir": RUN_DIR, "state-dir": STATE_DIR},
    }


class PeerTable:
    """The routes that the peer holds, kept from its message log. Each message is read once."""

    def __init__(self, peer: Receiver) -> None:
        self.routes: dict[str, Route] = {}
        self._peer = peer
        self._seen = 0

    def read(self) -> list[Event]:
        """Read the new messages into the table and return them."""
        new = self._peer.since(self._seen)
        self._seen += len(new)
        for event in new:
            if event.route is not None:
                self.routes[event.prefix] = event.route
            elif event.kind == "withdraw":
                self.routes.pop(event.prefix, None)
            elif event.kind in {"up", "down"}:
                self.routes.clear()
        return new

    def wait(self, count: int, within: float, *, every: float = _EVERY) -> list[Event]:
        """Wait until the table has `count` prefixes; return the messages received meanwhile."""
        received: list[Event] = []

        def reached() -> bool:
            received.extend(self.read())
            return len(self.routes) == count

        eventually(reached, within=within, every=every, why=f"{count} prefixes at the peer")
        return received

    def wait_for_last(self, kind: str, count: int, within: float = 30) -> float:
        """Wait until the table has `count` prefixes; return when the last `kind` message came.

        Raises:
            LabError: the table has that many prefixes, but no such message came.
        """
        received = self.wait(count, within)
        times = [event.at for event in received if event.kind == kind]
        if not times:
            message = f"the peer has {count} prefixes, but no new message of kind {kind}"
            raise LabError(message)
        return max(times)

    def withdrawals(self) -> int:
        """Read the new messages; return how many withdraw a prefix or end a session."""
        return sum(event.kind in {"withdraw", "down"} for event in self.read())


@dataclass(frozen=True)
class Setting:
    """The router, and the privileges that the daemon has."""

    router: Router
    unprivileged: bool = False
    """The daemon has its own user without capabilities, in the router's group."""
    pid_file: bool = False
    """The config names the DNS server's PID file."""

    @property
    def name(self) -> str:
        """The name in tables, such as "BIRD, unprivileged, PIDs by pid-file"."""
        name = self.router.upper()
        if self.unprivileged:
            name += ", unprivileged, PIDs " + ("by pid-file" if self.pid_file else "unknown")
        return name


class DaemonSite:
    """A lab with one DNS host and one peer; the caller starts the DNS server. A context manager."""

    def __init__(self, setting: Setting, config: Config, *, prefixes: int = 3) -> None:
        self.setting = setting
        self.prefixes = prefixes
        """How many prefixes the peer has while no service is down."""
        self._config = config
        self._lab = Lab()
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        lab = self._lab.__enter__()
        self.host, peer_host = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", self.host, peer_host)
        self.host.address("eth0", f"{HOST}/24").address("eth0", f"{_HOST6}/64")
        peer_host.address("eth0", f"{PEER}/24").address("eth0", f"{_PEER6}/64")
        for number, address in enumerate(_LABELLED, start=1):
            self.host.address("lo", address, label=f"lo:dns{number}")
        self.host.write("/etc/anycast-routed/config.json", json.dumps(self._config))
        self.add_hosts(lab)
        self.router = self.start_router()
        self._grant_access()
        self.peer = PeerTable(
            bgp_receiver.start(peer_host, asn=AS, router_id=PEER, peers={HOST: AS})
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lab.__exit__(kind, error, trace)

    def add_hosts(self, lab: Lab) -> None:
        """Add more hosts to the LAN; the base class adds none."""

    def start_router(self) -> Daemon:
        """Start the router, and return its process that speaks BGP."""
        if self.setting.router == "bird":
            return bird.start(self.host, bird.STOCK + INCLUDE).daemon
        return frr.start(self.host).daemons["bgpd"]

    def _grant_access(self) -> None:
        """Give the directories to the daemon's user, and the router's socket to its group."""
        user = _USER if self.setting.unprivileged else 0
        for path in (RUN_DIR, STATE_DIR):
            self.host.path(path).mkdir(exist_ok=True)
            os.chown(self.host.path(path), user, user)
        # vtysh needs a name for its user.
        passwd = self.host.read("/etc/passwd")
        self.host.write("/etc/passwd", f"{passwd}anycast:x:{_USER}:{_USER}::/:/bin/false\n")
        if self.setting.unprivileged and self.setting.router == "bird":
            # As with Debian's unit file, where BIRD does not run as root.
            socket = self.host.path(bird.CONTROL)
            os.chown(socket, -1, group_number(self.host, "bird"))
            socket.chmod(0o660)

    @property
    def daemon(self) -> Daemon:
        """The process of the anycast-routed daemon.

        Raises:
            LabError: the daemon was never started.
        """
        if self._daemon is None:
            message = "the anycast-routed daemon was not started"
            raise LabError(message)
        return self._daemon

    def start(self, within: float = 60) -> float:
        """Start the daemon; return the seconds until the last prefix was at the peer."""
        self.peer.read()
        begun = time.monotonic()
        self._daemon = self.host.start(*self._argv(), name="anycast-routed")
        try:
            return self.peer.wait_for_last("announce", self.prefixes, within) - begun
        except LabError:
            self._daemon.check()
            raise

    def stop(self) -> None:
        """Stop the daemon, which withdraws all prefixes; the BGP sessions stay up."""
        self.daemon.terminate(within=20)
        self.peer.wait(0, within=20)

    def _argv(self) -> Iterator[str]:
        if self.setting.unprivileged:
            group = "bird" if self.setting.router == "bird" else "frrvty"
            user = (
                f"--reuid={_USER}",
                f"--regid={_USER}",
                f"--groups={group_number(self.host, group)}",
            )
            yield from ("setpriv", *user, "--bounding-set=-all", "--no-new-privs", "--")
        yield from (sys.executable, "-m", "anycast_routed", "daemon")
