"""Judge a schedule that has run, by the record of every UPDATE."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tests.support.schedules.model import EDITED, OTHER, OURS, V6_A, V6_B, World, affected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anycast_routed.lab.bgp_receiver import Event
    from anycast_routed.lab.bgp_routes import Route

Lives: TypeAlias = "tuple[int, ...]"


class Stretch(NamedTuple):
    """The time between the end of a step and the next step, in which the world is known."""

    begun: float
    ended: float
    world: World


class Record:
    """The messages that the peer received during one schedule, and its table before it."""

    def __init__(
        self,
        steps: list[str],
        router_name: str,
        stretches: list[Stretch],
        before: dict[str, Route],
    ) -> None:
        self._steps = steps
        self._router_name = router_name
        self._stretches = stretches
        self._before = before

    def judge(self, events: list[Event]) -> None:
        """Check that nothing happened that must never happen."""
        self._only_affected(events)
        self._only_planned(events)
        self._sessions_stayed(events)
        self._never_revived(events)

    def _sessions_stayed(self, events: list[Event]) -> None:
        harmed = any(step.startswith("file ") for step in self._steps)
        if "router dead" in self._steps or (harmed and self._router_name == "bird"):
            return
        gone = [one for one in events if one.kind in {"up", "down", "odd"}]
        assert not gone, f"the session stays up: {gone}"

    def _only_affected(self, events: list[Event]) -> None:
        free, held = affected(self._steps, self._router_name), self._before
        for one in events:
            # FRR 8.4.4 sends its routes again, 5 s after it got a new route-map.
            again = one.kind == "announce" and held.get(one.prefix) == one.route
            if one.prefix and one.prefix not in free and not (again and self._router_name == "frr"):
                message = f"no step concerns {one.prefix}: {one}"
                raise AssertionError(message)

    def _only_planned(self, events: list[Event]) -> None:
        """Check that each message is what the plan asks for in some world of the schedule."""
        planned = _planned([one.world for one in self._stretches])
        words = {step.split()[0] for step in self._steps}
        harmed = "file" in words or not {"operator breaks", "trial undone"}.isdisjoint(self._steps)
        loose = self._router_name == "bird" and harmed
        for one in events:
            if one.prefix == EDITED or (one.kind == "withdraw" and loose):
                continue
            if one.kind in {"announce", "withdraw"}:
                entry = (one.route.local_pref, one.route.next_hop) if one.route else None
                assert entry in planned.get(one.prefix, {None}), f"nothing asks for {one}"

    def _never_revived(self, events: list[Event]) -> None:
        """Check that nothing is announced once the daemon has shown that the server is down.

        An undo of the operator brings back what BIRD ran before: the daemon withdraws it again.
        """
        if "trial undone" in self._steps:
            return
        for begun, ended, world in _windows(
            self._stretches, lambda world: (world.lives,) if world.down else None
        ):
            inside = [one for one in self._stretches if begun <= one.begun and one.ended <= ended]
            since = min(self._known_since(inside, events), default=ended)
            back = [
                one
                for one in events
                if since < one.at < ended and one.kind == "announce" and one.prefix in OURS
            ]
            assert not back, f"announced while {world.server}, {back[0].at - since:.3f} s: {back}"

    def _known_since(self, inside: list[Stretch], events: list[Event]) -> Iterator[float]:
        """Yield when the daemon reported it, or withdrew a prefix for which only a verdict can be.

        Only for the first death: after another one, the daemon may still see the time between.
        """
        begun, ended = inside[0].begun, inside[-1].ended
        if inside[0].world.lives:
            return
        yield from (one.begun for one in inside if one.world.known)
        words = {step.split()[0] for step in self._steps}
        if "file" in words or {"drain dns on", "operator breaks"} & set(self._steps):
            return
        for one in events:
            if begun < one.at < ended and (one.kind, one.prefix) == ("withdraw", V6_B):
                yield one.at


def _planned(worlds: list[World]) -> dict[str, set[tuple[int | None, str] | None]]:
    """Return the entries of each prefix in any plan: the daemon learns each fact separately."""
    configs = {config for world in worlds for config in world.configs}
    well = {replace(world, server="up", drained=frozenset()) for world in worlds}
    tables = [world.table(config) for world in well for config in configs]
    found: dict[str, set[tuple[int | None, str] | None]] = {}
    for prefix in {*OURS, OTHER}:
        entries = {table.get(prefix) for table in tables}
        drained = any(_drained(prefix, world) for world in worlds)
        if drained:
            entries |= {(0, entry[1]) for entry in entries if entry}
        if prefix in OURS and (drained or any(world.down for world in worlds)):
            entries.add(None)
        found[prefix] = entries
    return found


def _drained(prefix: str, world: World) -> bool:
    return ("dns" in world.drained and prefix in OURS) or ("v6" in world.drained and prefix == V6_A)


def _windows(
    stretches: list[Stretch], key: Callable[[World], Lives | None]
) -> Iterator[tuple[float, float, World]]:
    """Yield each longest run of stretches with the same key."""
    for found, run in groupby(stretches, lambda one: key(one.world)):
        if found is not None:
            parts = list(run)
            yield parts[0].begun, parts[-1].ended, parts[0].world


def line_of(event: Event, begun: float) -> str:
    """Return a line about a message, to be sorted between the lines of the steps."""
    what = f"{event.kind} {event.prefix or event.text}"
    if event.route is not None:
        what += f" LocalPref {event.route.local_pref} next hop {event.route.next_hop}"
    return f"{event.at - begun:+8.3f} s  peer: {what}"
