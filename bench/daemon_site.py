"""What the daemon is measured on: a DNS host with a router, and a peer that takes times."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from anycast_routed.lab import Lab, bgp_receiver, bird, eventually, frr
from anycast_routed.lab.failures import LabError

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
US, PEER, AS = "172.17.2.1", "172.17.2.254", 64512
_US6, _PEER6 = "fd00:17:2::1", "fd00:17:2::fe"
_LABELLED = ("10.10.10.10/32", "10.10.10.11/32")
_USER = 61_100
"""The daemon's user where it has no privileges; no other process of the machine has it."""
_EVERY = 0.02  # the peer takes the times; asking it more often would only take the processor's


def seed(*, pid_file: bool = False) -> Config:
    """Return the config of the site that most is measured on: three prefixes, checks each second.

    It is a `fall` of 2, a `timeout` of 1 s and the other defaults, but for `half-life`: a service
    may die as often as we like.
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
    return {"dns": dns | known, "anycast": anycast, **ours()}


def ours() -> Config:
    """Return the sections that all configs share."""
    return {
        "bgp": {"id": US, "as": AS, "peers": [{"ip": PEER, "as": AS}]},
        "daemon": {"run-dir": RUN_DIR, "state-dir": STATE_DIR},
    }


class Ear:
    """What the peer was told, and so its table. Each message is taken in once."""

    def __init__(self, peer: Receiver) -> None:
        self.table: dict[str, Route] = {}
        self._peer = peer
        self._seen = 0

    def hear(self) -> list[Event]:
        """Take in what is new."""
        news = self._peer.since(self._seen)
        self._seen += len(news)
        for event in news:
            if event.route is not None:
                self.table[event.prefix] = event.route
            elif event.kind == "withdraw":
                self.table.pop(event.prefix, None)
            elif event.kind in {"up", "down"}:
                self.table.clear()
        return news

    def until(self, count: int, within: float, *, every: float = _EVERY) -> list[Event]:
        """Wait until the table has so many prefixes, and return what was told meanwhile."""
        told: list[Event] = []

        def reached() -> bool:
            told.extend(self.hear())
            return len(self.table) == count

        eventually(reached, within=within, every=every, why=f"{count} prefixes at the peer")
        return told

    def latest(self, kind: str, count: int, within: float = 30) -> float:
        """Wait until so many prefixes are there, and say when the last such message came."""
        told = self.until(count, within)
        times = [event.at for event in told if event.kind == kind]
        if not times:
            message = f"the peer has {count} prefixes, and was told nothing that is {kind}"
            raise LabError(message)
        return max(times)

    def withdrawals(self) -> int:
        """Take in what is new, and count what was taken away in it: prefixes, and sessions."""
        return sum(event.kind in {"withdraw", "down"} for event in self.hear())


@dataclass(frozen=True)
class Setting:
    """Where and as whom the daemon runs."""

    router: Router
    shipped: bool = False
    """The daemon is a user of its own without any capability, in the router's group."""
    pid_file: bool = False
    """The config names the DNS server's PID file."""

    @property
    def name(self) -> str:
        """Words for a table."""
        said = self.router.upper()
        if self.shipped:
            said += ", unprivileged, PIDs " + ("by pid-file" if self.pid_file else "unknown")
        return said


class Stand:
    """A lab with one DNS host and one peer. A context manager; the DNS server is the caller's."""

    def __init__(self, setting: Setting, config: Config, *, prefixes: int = 3) -> None:
        self.setting = setting
        self.prefixes = prefixes
        """How many the peer has when all is well."""
        self._config = config
        self._lab = Lab()
        self._ours: Daemon | None = None

    def __enter__(self) -> Self:
        lab = self._lab.__enter__()
        self.host, self.peer_host = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", self.host, self.peer_host)
        self.host.address("eth0", f"{US}/24").address("eth0", f"{_US6}/64")
        self.peer_host.address("eth0", f"{PEER}/24").address("eth0", f"{_PEER6}/64")
        for number, address in enumerate(_LABELLED, start=1):
            self.host.address("lo", address, label=f"lo:dns{number}")
        self.configure(self._config)
        if self.setting.router == "bird":
            bird.start(self.host, bird.STOCK + INCLUDE)
        else:
            frr.start(self.host)
        self._own()
        peer = bgp_receiver.start(self.peer_host, asn=AS, router_id=PEER, peers={US: AS})
        self.ear = Ear(peer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lab.__exit__(kind, error, trace)

    def _own(self) -> None:
        """Give the folders to the daemon's user, and the router's socket to its group."""
        user = _USER if self.setting.shipped else 0
        for path in (RUN_DIR, STATE_DIR):
            self.host.path(path).mkdir(exist_ok=True)
            os.chown(self.host.path(path), user, user)
        # vtysh wants a name for its user.
        passwd = self.host.read("/etc/passwd")
        self.host.write("/etc/passwd", f"{passwd}ours:x:{_USER}:{_USER}::/:/bin/false\n")
        if self.setting.shipped and self.setting.router == "bird":
            # As Debian's unit has it, under which BIRD is not root.
            socket = self.host.path(bird.CONTROL)
            shutil.chown(socket, group="bird")
            socket.chmod(0o660)

    def configure(self, config: Config) -> None:
        """Write the config file."""
        self.host.write("/etc/anycast-routed/config.json", json.dumps(config))

    @property
    def ours(self) -> Daemon:
        """The daemon's process."""
        if self._ours is None:
            message = "our daemon does not run"
            raise LabError(message)
        return self._ours

    def start(self, within: float = 60) -> float:
        """Start the daemon; return the seconds until the last prefix was at the peer."""
        self.ear.hear()
        begun = time.monotonic()
        self._ours = self.host.start(*self._argv(), name="anycast-routed")
        try:
            return self.ear.latest("announce", self.prefixes, within) - begun
        except LabError:
            self._ours.check()
            raise

    def stop(self) -> None:
        """Stop the daemon, which withdraws; the sessions stay up."""
        self.ours.terminate(within=20)
        self.ear.until(0, within=20)

    def _argv(self) -> Iterator[str]:
        if self.setting.shipped:
            group = "bird" if self.setting.router == "bird" else "frrvty"
            user = (f"--reuid={_USER}", f"--regid={_USER}", f"--groups={_group(group)}")
            yield from ("setpriv", *user, "--bounding-set=-all", "--no-new-privs", "--")
        yield from (sys.executable, "-m", "anycast_routed", "daemon")


def _group(name: str) -> int:
    import grp  # noqa: PLC0415 - only where there are groups

    return grp.getgrnam(name).gr_gid
