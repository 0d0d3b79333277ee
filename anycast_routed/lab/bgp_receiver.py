"""A BGP peer that writes down every message with the time: what the router really told it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from anycast_routed.lab.bgp_routes import Route
from anycast_routed.lab.programs import module
from anycast_routed.lab.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.lab.daemon import Daemon
    from anycast_routed.lab.host import Host

Kind = Literal["up", "down", "announce", "withdraw", "end-of-rib", "odd"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a peer did.

    `at` is in seconds of time.monotonic(), which all processes of a machine share. An UPDATE with
    several prefixes gives an event for each, all with its number in `update`, which counts the
    UPDATEs of all sessions since the receiver started (0: not an UPDATE). `route` belongs to
    "announce", `text` to the others: the family of an "end-of-rib", the reason of a "down" or of
    an "odd" message, which was counted but not understood.
    """

    at: float
    kind: Kind
    peer: str
    update: int = 0
    prefix: str = ""
    route: Route | None = None
    text: str = ""


class Receiver:
    """A running receiver: `daemon` is its process."""

    def __init__(self, host: Host, daemon: Daemon) -> None:
        self.host = host
        self.daemon = daemon
        self._events: list[Event] = []
        self._read = 0
        """So many bytes of the log are in them."""

    def events(self) -> list[Event]:
        """Return all events since the start, in their order."""
        return self.since(0)

    def _take(self) -> None:
        log = self.daemon.log(after=self._read)
        # The last line may be half written; its newline comes last.
        whole = log[: log.rfind("\n") + 1]
        facts = [json.loads(line) for line in whole.split("\n") if line.startswith("{")]
        self._events += [_event(fact) for fact in facts if fact["kind"] != "ready"]
        self._read += len(whole.encode())

    def mark(self) -> int:
        """Return a mark of this moment for `since`."""
        return len(self.events())

    def since(self, mark: int) -> list[Event]:
        """Return the events since the mark was taken."""
        self._take()
        return self._events[mark:]

    def news(self, mark: int) -> list[Event]:
        """Return the events since the mark but for End-of-RIBs, which tell of no prefix.

        Such a one may come well after the routes that somebody has waited for.
        """
        return [event for event in self.since(mark) if event.kind != "end-of-rib"]

    def changes(self, mark: int) -> list[Event]:
        """Return the news since the mark but for what is only said again.

        FRR 8.4.4 says all again 5 s after it was given a new route-map.
        """
        held: dict[tuple[str, str], Route | None] = {}
        found: list[Event] = []
        for number, event in enumerate(self.events()):
            key = (event.peer, event.prefix)
            if event.kind == "up":
                held = {other: route for other, route in held.items() if other[0] != event.peer}
            again = event.kind == "announce" and held.get(key) == event.route
            held[key] = event.route
            if number >= mark and event.kind != "end-of-rib" and not again:
                found.append(event)
        return found

    def table(self) -> dict[str, Route]:
        """Return what is announced now, by prefix; of two peers the later one counts."""
        routes: dict[tuple[str, str], Route] = {}
        for event in self.events():
            if event.route is not None:
                # Taken out first, so that the later announcement comes last.
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

    It is passive: the peers connect, to port 179 of `listen` (default: every address). It offers
    IPv4 and IPv6 unicast on each session and announces nothing. `hold_time` is in seconds.

    Raises:
        LabError: it ended, for example because another BGP speaker of the host has the port.
    """
    argv, env = module("anycast_routed.lab.bgp_receiver_process")
    argv += ["--as", str(asn), "--id", router_id, "--hold-time", str(hold_time)]
    argv += ["--listen", listen] if listen else []
    for address, peer_as in peers.items():
        argv += ["--peer", f"{address}={peer_as}"]
    daemon = host.start(*argv, name="receiver", env=env)
    eventually(
        lambda: not daemon.alive or '"ready"' in daemon.log(),
        within=10.0,
        every=0.005,
        why=f"{daemon.name} listens",
    )
    daemon.check()
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
