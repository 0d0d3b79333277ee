"""The operator's drain orders, and the stage that each drain has reached."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.decide.drain import stage
from anycast_routed.model import Drain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anycast_routed.config import Config
    from anycast_routed.model import Held, Plan
    from anycast_routed.state.drain_orders import Ordered


class Draining:
    """The drain orders, and when the router was first seen to hold each target lowered."""

    def __init__(self, lowered: Mapping[str, float]) -> None:
        self.lowered = dict(lowered)
        self._ordered: tuple[Ordered, ...] = ()
        """Every order on file; `_orders` are those in force now."""
        self._orders: tuple[Ordered, ...] = ()

    def order(self, orders: tuple[Ordered, ...], now: float) -> bool:
        """Replace the orders; tell whether the orders in force changed. `now` is wall clock."""
        self._ordered = orders
        return self.expire(now)

    def expire(self, now: float) -> bool:
        """End the drains whose time is over at `now` (wall clock); tell whether any changed.

        A drain that a wrong clock ended too early comes back when the clock is right again.
        """
        orders = tuple(one for one in self._ordered if one.until is None or now < one.until)
        for lifted in self.lowered.keys() - {one.target for one in orders}:
            del self.lowered[lifted]
        changed, self._orders = orders != self._orders, orders
        return changed

    def has(self, target: str) -> bool:
        """Tell whether an order for exactly this target is in force."""
        return any(order.target == target for order in self._orders)

    def confirmed(self, plan: Plan, at: float) -> None:
        """Take in that the router shows this plan: note which targets it holds lowered."""
        for order in self._orders:
            if any(
                one.graceful_shutdown and order.target in {one.service, str(one.prefix)}
                for one in plan.announcements
            ):
                self.lowered.setdefault(order.target, at)

    def drains(self, config: Config, held: Held, at: float) -> dict[str, Drain]:
        """Return the drain of each target, with the stage that it has reached."""
        return {order.target: self._drain(order, config, held, at) for order in self._orders}

    def changes(self, config: Config) -> Iterator[float]:
        """Yield the monotonic times at which a drain reaches its next stage."""
        for target, lowered in self.lowered.items():
            if self.has(target):
                yield lowered + drain_time(config, target)

    def _drain(self, order: Ordered, config: Config, held: Held, at: float) -> Drain:
        reached = stage(
            announced=order.target in held,
            lowered_at=self.lowered.get(order.target),
            drain_time=drain_time(config, order.target),
            at=at,
        )
        facts = [order.reason] if order.reason else []
        if order.until is not None:
            facts.append(f"until {time.strftime('%F %T', time.localtime(order.until))}")
        return Drain(reached, ", ".join(facts))


def drain_time(config: Config, target: str) -> float:
    """Return the drain time of a service in seconds; for a prefix, the longest of all services."""
    times = {service.name: service.anycast.drain_time for service in config.services}
    return times.get(target, max(times.values()))
