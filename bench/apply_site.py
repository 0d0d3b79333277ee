"""What the benchmark stands on: one router with our program, and a peer that takes times."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal, Self

from anycast_routed.announce.frr.changes import changes
from anycast_routed.announce.frr.config_lines import script
from anycast_routed.announce.frr.running_config import Running
from anycast_routed.lab import Lab, bgp_receiver, bird, dns, eventually, frr
from anycast_routed.lab.failures import LabError
from anycast_routed.lab.programs import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anycast_routed.announce.frr.changes import Changes
    from anycast_routed.lab.bgp_receiver import Event
    from anycast_routed.lab.bgp_routes import Route

Router = Literal["bird", "frr"]

LOCAL_PREF, CHANGED_LOCAL_PREF = 200, 199
_INCLUDE = 'include "/run/anycast-route[d]/bird.conf";\n'
_US, _PEER, _AS = "172.17.2.1", "172.17.2.9", 64512
_FIRST = IPv4Address("10.0.0.1")
_WITHIN = 120.0  # seconds; the first load of 10,000 blackholes takes FRR's staticd some of them
_UPDATE_WITHIN = 10.0
_QUIET = {"bird": 1.0, "frr": 6.0}  # seconds without an UPDATE; FRR's route-map timer has 5


def prefix(number: int) -> str:
    """Return the n-th prefix, from 1."""
    return f"{_FIRST + number - 1}/32"


def config(count: int, *, local_pref: int | None = None, without: bool = False) -> str:
    """Write a config of `count` static routes; the last one with an own LocalPref, or left out."""
    routes: list[dict[str, object]] = [
        {"label": f"r{number}", "ip": prefix(number)} for number in range(1, count + 1)
    ]
    if local_pref is not None:
        routes[-1]["localpref"] = local_pref
    if without:
        routes.pop()
    anycast = {
        # No address has this label; it lets a config without routes stand.
        "interface": "lo",
        "prefix": "bench",
        "nexthop-interface": "eth0",
        "localpref": LOCAL_PREF,
        "routes": routes,
    }
    peers = [{"ip": _PEER, "as": _AS}]
    return json.dumps(
        {
            "dns": {"ip": "127.0.0.1", "query": "google.com."},
            "anycast": anycast,
            "bgp": {"id": _US, "as": _AS, "peers": peers},
        }
    )


@dataclass(frozen=True)
class Timed:
    """One run of a command, in seconds from its start."""

    ended: float
    update: float | None = None
    """When the peer had the UPDATE."""
    cpu: float = 0.0
    """Seconds of processor time, which other work on the machine hardly changes."""


@dataclass(frozen=True)
class Goal:
    """One state to bring about: our config for it, and the router's text that we made of it."""

    config: str
    text: str


class Ground:
    """A lab with `router` on the host of our program. A context manager."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.repeated = 0
        """Announcements that told the peer what it had already."""
        self._lab = Lab()
        self._table: dict[str, Route] = {}
        self._seen = 0

    def __enter__(self) -> Self:
        lab = self._lab.__enter__()
        self.host, peer = lab.host("dns1"), lab.host("peer")
        lab.lan("lan", self.host, peer)
        self.host.address("eth0", f"{_US}/24")
        peer.address("eth0", f"{_PEER}/24")
        if self.router == "bird":
            bird.start(self.host, bird.STOCK + _INCLUDE)
        else:
            frr.start(self.host)
        dns.unbound(self.host, zones={"google.com.": ()})
        self._peer = bgp_receiver.start(peer, asn=_AS, router_id=_PEER, peers={_US: _AS})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lab.__exit__(kind, error, trace)

    @property
    def version(self) -> str:
        """The router's own word of what it is."""
        if self.router == "bird":
            done = self.host.run("bird", "--version")
            return (done.out + done.err).strip().replace(" version", "")
        return "FRR " + self.host.run(find("bgpd"), "--version").out.split()[2]

    def load(self, wanted: str) -> Goal:
        """Bring a config into force, outside any timing; return what our program made of it."""
        self.configure(wanted)
        self._program()
        file = "bird.conf" if self.router == "bird" else "frr.conf"
        self._file = f"/run/anycast-routed/{file}"
        return Goal(wanted, self.host.read(self._file))

    def settle(self, count: int) -> None:
        """Wait until the peer has `count` prefixes, and has heard nothing for a while."""
        eventually(lambda: len(self._peer.table()) == count, within=30, every=0.2)
        heard = self._peer.mark()
        since = time.monotonic()
        while time.monotonic() - since < _QUIET[self.router]:
            time.sleep(0.5)
            if (now := self._peer.mark()) != heard:
                heard, since = now, time.monotonic()
        self._table, self._seen = self._peer.table(), heard

    def run(self, *argv: str) -> Timed:
        """Time one command in the host, from its start to its end."""
        begun, used = time.monotonic(), _cpu()
        self.host.run(*argv, within=_WITHIN)
        return Timed(time.monotonic() - begun, cpu=_cpu() - used)

    def ours(self, goal: Goal, expected: tuple[str, int | None]) -> Timed:
        """Time our `apply` of a new config, to its end and to the UPDATE."""
        self.configure(goal.config)
        return self._until_update(self._program, expected)

    def bare(self, before: Goal, goal: Goal, expected: tuple[str, int | None]) -> Timed:
        """Time the router's own client with the same text."""
        self.host.write(self._file, goal.text)
        self.configure(goal.config)
        if self.router == "bird":
            return self._until_update(lambda: self.host.run("birdc", "configure"), expected)
        todo = changes(Running(goal.text), Running(before.text))
        if todo.withdrawals:
            timed = self._until_update(lambda: self._tell("bgpd", todo, "withdrawals"), expected)
        else:
            self._tell("staticd", todo, "statics")
            timed = self._until_update(lambda: self._tell("bgpd", todo, "additions"), expected)
        self._tell("bgpd", todo, "unused_maps")
        self._tell("staticd", todo, "unused_statics")
        return timed

    def _tell(self, daemon: str, todo: Changes, what: str) -> None:
        if lines := script(getattr(todo, what)):
            block = "\n".join(("configure terminal", *lines))
            self.host.run("vtysh", "-d", daemon, "-c", block)

    def _program(self) -> None:
        # A withdrawal by a new config takes all there is where there is but one prefix.
        ours = (sys.executable, "-m", "anycast_routed", "-q", "apply", "--allow-shrink")
        self.host.run(*ours, within=_WITHIN)

    def configure(self, text: str) -> None:
        """Write our config file."""
        self.host.write("/etc/anycast-routed/config.json", text)

    def _until_update(
        self, action: Callable[[], object], expected: tuple[str, int | None]
    ) -> Timed:
        self._news()
        begun = time.monotonic()
        action()
        ended = time.monotonic()
        found: list[Event] = []

        def heard() -> bool:
            found.extend(self._news())
            return bool(found)

        # Nothing is asked while the action runs: the peer has written the time down.
        eventually(heard, within=_UPDATE_WITHIN, every=0.03, why=f"an UPDATE of {expected}")
        time.sleep(0.03)
        found.extend(self._news())
        told = [(one.prefix, one.route.local_pref if one.route else None) for one in found]
        if told != [expected]:
            message = f"the peer was told {told[:5]} ({len(told)} in all), not {[expected]}"
            raise LabError(message)
        return Timed(ended - begun, found[0].at - begun)

    def _news(self) -> list[Event]:
        """Return what changed the peer's table since the last call; repetitions are counted."""
        fresh = self._peer.since(self._seen)
        self._seen += len(fresh)
        changed = []
        for event in fresh:
            if event.route is not None and self._table.get(event.prefix) == event.route:
                self.repeated += 1
            elif event.route is not None:
                self._table[event.prefix] = event.route
                changed.append(event)
            elif event.kind in {"withdraw", "down"}:
                self._table.pop(event.prefix, None)
                changed.append(event)
        return changed


def _cpu() -> float:
    """Return the processor time of all commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
