"""The operator's drain orders, and the stage that each drain has reached."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.decide.drain import stage
from anycast_routed.model import Drain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anycast_routed.config import Config
    from anycast_routed.model import Held, Plan
    from anycast_routed.state.drain_orders import Ordered


class Draining:
    """The drain orders, and when the router was first seen to hold each target lowered."""

    def __init__(self, lowered: Mapping[str, float]) -> None:
        self.lowered = dict(lowered)
        self._ordered: tuple[Ordered, ...] = ()
        """Every order on file; `_orders` are those in force now."""
        self._orders: dict[str, Ordered] = {}
        """By target, since there may be thousands."""

    def order(self, orders: tuple[Ordered, ...], now: float) -> bool:
        """Replace the orders; tell whether the orders in force changed. `now` is wall clock."""
        self._ordered = orders
        return self.expire(now)

    def expire(self, now: float) -> bool:
        """End the drains whose time is over at `now` (wall clock); tell whether any changed.

        A drain that a wrong clock ended too early comes back when the clock is right again.
        """
        orders = {one.target: one for one in self._ordered if one.until is None or now < one.until}
        for lifted in self.lowered.keys() - orders.keys():
            del self.lowered[lifted]
        changed, self._orders = orders != self._orders, orders
        return changed

    def has(self, target: str) -> bool:
        """Tell whether an order for exactly this target is in force."""
        return target in self._orders

    def confirmed(self, plan: Plan, at: float) -> None:
        """Take in that the router shows this plan: note which targets it holds lowered."""
        if not self._orders:
            return
        lowered = [one for one in plan.announcements if one.graceful_shutdown]
        shown = {one.service for one in lowered} | {str(one.prefix) for one in lowered}
        for target in self._orders.keys() & shown:
            self.lowered.setdefault(target, at)

    def drains(self, config: Config, held: Held, at: float) -> dict[str, Drain]:
        """Return the drain of each target, with the stage that it has reached."""
        times = drain_times(config, self._orders)
        return {
            target: self._drain(order, times[target], held, at)
            for target, order in self._orders.items()
        }

    def changes(self, config: Config) -> Iterator[float]:
        """Yield the monotonic times at which a drain reaches its next stage."""
        for target, seconds in drain_times(config, self.lowered.keys() & self._orders).items():
            yield self.lowered[target] + seconds

    def _drain(self, order: Ordered, drain_time: float, held: Held, at: float) -> Drain:
        reached = stage(
            announced=order.target in held.targets,
            lowered_at=self.lowered.get(order.target),
            drain_time=drain_time,
            at=at,
        )
        facts = [order.reason] if order.reason else []
        if order.until is not None:
            facts.append(f"until {time.strftime('%F %T', time.localtime(order.until))}")
        return Drain(reached, ", ".join(facts))


def drain_times(config: Config, targets: Iterable[str]) -> dict[str, float]:
    """Return the drain time of each target in seconds; for a prefix, the longest of any service."""
    times = {service.name: service.anycast.drain_time for service in config.services}
    longest = max(times.values())
    return {target: times.get(target, longest) for target in targets}
