"""Start a BGP peer that records every message with its time: what a router really sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anycast_routed.lab.bgp_routes import Route
from anycast_routed.lab.programs import module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

Kind = Literal["up", "down", "announce", "withdraw", "end-of-rib", "odd"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a session with a peer.

    `at` is in seconds of time.monotonic(), which all processes of a machine share. An UPDATE with
    several prefixes gives one event for each prefix. All of them have the number of that UPDATE in
    `update`, which counts the UPDATEs of all sessions since the receiver started (0: the event is
    no UPDATE). An "announce" has a `route`. The other events may have a `text`: the family of an
    "end-of-rib", the reason of a "down", or what is wrong with an "odd" message. An "odd" message
    is counted, and has no other effect.
    """

    at: float
    kind: Kind
    peer: str
    update: int = 0
    prefix: str = ""
    route: Route | None = None
    text: str = ""


class Receiver:
    """A running receiver. `daemon` is its process."""

    def __init__(self, host: Host, daemon: Daemon) -> None:
        self.host = host
        self.daemon = daemon
        self._events: list[Event] = []
        self._parsed = 0
        """The number of bytes of the log that are in `_events`."""

    def events(self) -> list[Event]:
        """Return all events since the receiver started, in order."""
        return self.since(0)

    def _parse_new_lines(self) -> None:
        log = self.daemon.log(after=self._parsed)
        # The receiver may be writing the last line: take only lines that end with a newline.
        complete = log[: log.rfind("\n") + 1]
        facts = [json.loads(line) for line in complete.split("\n") if line.startswith("{")]
        self._events += [_event(fact) for fact in facts if fact["kind"] != "ready"]
        self._parsed += len(complete.encode())

    def mark(self) -> int:
        """Return the number of events so far, to pass to `since`."""
        return len(self.events())

    def since(self, mark: int) -> list[Event]:
        """Return the events after `mark`."""
        self._parse_new_lines()
        return self._events[mark:]

    def without_end_of_rib(self, mark: int) -> list[Event]:
        """Return the events after `mark` except End-of-RIB markers.

        A router may send the marker long after the routes that a test waits for.
        """
        return [event for event in self.since(mark) if event.kind != "end-of-rib"]

    def changes(self, mark: int) -> list[Event]:
        """Return the events after `mark` except End-of-RIB markers and repeated announcements.

        FRR 8.4.4 announces all routes again 5 s after it got a new route-map.
        """
        held: dict[tuple[str, str], Route | None] = {}
        found: list[Event] = []
        for number, event in enumerate(self.events()):
            key = (event.peer, event.prefix)
            if event.kind == "up":
                held = {other: route for other, route in held.items() if other[0] != event.peer}
            repeated = event.kind == "announce" and held.get(key) == event.route
            held[key] = event.route
            if number >= mark and event.kind != "end-of-rib" and not repeated:
                found.append(event)
        return found

    def table(self) -> dict[str, Route]:
        """Return the routes announced now, by prefix; with two peers, the later announcement."""
        routes: dict[tuple[str, str], Route] = {}
        for event in self.events():
            if event.route is not None:
                # Remove the entry first, so that the later announcement is the last entry.
                routes.pop((event.peer, event.prefix), None)
                routes[event.peer, event.prefix] = event.route
            elif event.kind == "withdraw":
                routes.pop((event.peer, event.prefix), None)
            elif event.kind in {"up", "down"}:
                routes = {key: route for key, route in routes.items() if key[0] != event.peer}
        return {prefix: route for (_, prefix), route in routes.items()}

    def sessions(self) -> set[str]:
        """Return the addresses of the peers whose session is established."""
        up: set[str] = set()
        for event in self.events():
            if event.kind == "up":
                up.add(event.peer)
            elif event.kind == "down":
                up.discard(event.peer)
        return up


def start(  # noqa: PLR0913 - one value each, all by name
    host: Host,
    *,
    asn: int,
    router_id: str,
    peers: Mapping[str, int],
    hold_time: int = 90,
    listen: str = "",
) -> Receiver:
    """Start a receiver for sessions from `peers` (address: AS), and return when it listens.

    The receiver is passive: the peers connect to port 179 of `listen` (default: every address). It
    offers IPv4 and IPv6 unicast on each session and announces nothing. `hold_time` is in seconds.

    Raises:
        LabError: the receiver ended, for example because another BGP speaker of the host uses the
            port.
    """
    argv, env = module("anycast_routed.lab.bgp_receiver_process")
    argv += ["--as", str(asn), "--id", router_id, "--hold-time", str(hold_time)]
    argv += ["--listen", listen] if listen else []
    for address, peer_as in peers.items():
        argv += ["--peer", f"{address}={peer_as}"]
    daemon = host.start(*argv, name="receiver", env=env)
    daemon.wait_ready(lambda: '"ready"' in daemon.log(), within=30.0, every=0.005, why="listens")
    return Receiver(host, daemon)


def _event(fact: dict[str, Any]) -> Event:
    kind: Kind = fact["kind"]
    route = None
    if kind == "announce":
        route = Route(
            prefix=fact["prefix"],
            next_hop=fact["next_hop"],
            local_pref=fact["local_pref"],
            med=fact["med"],
            as_path=tuple(fact["as_path"]),
            communities=tuple(fact["communities"]),
            peer=fact["peer"],
        )
    return Event(
        at=fact["at"],
        kind=kind,
        peer=fact["peer"],
        update=fact.get("update", 0),
        prefix=fact.get("prefix", ""),
        route=route,
        text=fact.get("text", ""),
    )
