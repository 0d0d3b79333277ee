"""One DNS host under our daemon, and one peer that writes down every message it gets."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seed_site import Node, seed, settle, start

from anycast_routed.lab import eventually, receiver
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.frr import Frr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anycast_routed.lab import Daemon, Lab
    from anycast_routed.lab.receiver import Event, Receiver

ALL = frozenset({"10.10.10.10/32", "10.10.10.11/32", "fd00::10:10:10:10/128"})
NONE: frozenset[str] = frozenset()
RUN_DIR = "/run/anycast-routed"
STATE_DIR = "/var/lib/anycast-routed"
PEER = "172.17.2.253"


@dataclass
class Watched(Node):
    """dns1 of the seed's site with one of its peers, the receiver: the judge of every story."""

    peer: Receiver

    def holds(self, wanted: frozenset[str], within: float = 5) -> None:
        """Wait until the peer holds just these prefixes."""
        why = f"the peer holds {', '.join(sorted(wanted)) or 'nothing'}"
        eventually(lambda: self.peer.table().keys() == wanted, within=within, why=why)

    def up(self) -> Daemon:
        """Start our daemon, and wait until the peer has everything."""
        daemon = self.daemon()
        self.holds(ALL, within=20)
        return daemon

    def changes(self, mark: int) -> list[tuple[str, str]]:
        """Return what the peer was told since the mark: announce or withdraw, and the prefix."""
        told = (event for event in self.peer.since(mark) if event.prefix)
        return [(event.kind, event.prefix) for event in told]

    def stays(self, wanted: frozenset[str], seconds: float) -> None:
        """Watch the peer for so long; it must hold just these prefixes all the time."""
        until = time.monotonic() + seconds
        mark = self.peer.mark()

        def over() -> bool:
            assert self.peer.table().keys() == wanted, self.peer.since(mark)
            return time.monotonic() >= until

        while not over():
            with_patience(over, until)

    def status(self) -> dict[str, Any]:
        """Return the status file of the running daemon."""
        document: dict[str, Any] = json.loads(self.dns1.read(f"{RUN_DIR}/status.json"))
        return document

    def has_problem(self, about: str, said: str = "", within: float = 5) -> str:
        """Wait until the daemon tells of this problem, and return what it says."""

        def told() -> str | None:
            problem: str | None = self.status()["problems"].get(about)
            return problem if problem and said in problem else None

        return eventually(told, within=within, why=f"a {about} problem: {said}")

    def has_no_problem(self, within: float = 5) -> None:
        """Wait until nothing is wrong."""
        eventually(
            lambda: self.status()["problems"] == {}, within=within, why="no problem any more"
        )

    def own_file(self) -> Path:
        """Return where our file is, as seen from outside."""
        return self.dns1.path(f"{RUN_DIR}/{self.router_name}.conf")

    @property
    def bird(self) -> Bird:
        """dns1's BIRD."""
        assert isinstance(self.router, Bird)
        return self.router

    @property
    def frr(self) -> Frr:
        """dns1's FRR."""
        assert isinstance(self.router, Frr)
        return self.router
