"""What the operator has drained, and how far each drain has come."""

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
    """The orders to drain, and when the router was first seen to have each of them lowered."""

    def __init__(self, lowered: Mapping[str, float]) -> None:
        self.lowered = dict(lowered)
        self._ordered: tuple[Ordered, ...] = ()
        """Every order there is; `_orders` are those that stand now."""
        self._orders: tuple[Ordered, ...] = ()

    def order(self, orders: tuple[Ordered, ...], now: float) -> bool:
        """Take the orders; tell whether others stand than before. `now` is wall clock."""
        self._ordered = orders
        return self.expire(now)

    def expire(self, now: float) -> bool:
        """End the drains whose time is over at `now`; one that a wrong clock has ended returns."""
        orders = tuple(one for one in self._ordered if one.until is None or now < one.until)
        for lifted in self.lowered.keys() - {one.target for one in orders}:
            del self.lowered[lifted]
        changed, self._orders = orders != self._orders, orders
        return changed

    def has(self, target: str) -> bool:
        """Tell whether an order for this very target stands."""
        return any(order.target == target for order in self._orders)

    def confirmed(self, plan: Plan, at: float) -> None:
        """Take in that the router shows this plan."""
        for order in self._orders:
            if any(
                one.graceful_shutdown and order.target in {one.service, str(one.prefix)}
                for one in plan.announcements
            ):
                self.lowered.setdefault(order.target, at)

    def drains(self, config: Config, held: Held, at: float) -> dict[str, Drain]:
        """Return how far each has come, by its target."""
        return {order.target: self._drain(order, config, held, at) for order in self._orders}

    def changes(self, config: Config) -> Iterator[float]:
        """Give the times at which a drain goes on by itself."""
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
    """Return the drain time of a service; that of a prefix is the longest there is."""
    times = {service.name: service.anycast.drain_time for service in config.services}
    return times.get(target, max(times.values()))
