"""Withdraw by the short way, before anything is read, rendered or loaded.

What is dead needs not even a plan. What fails here is tried again by the rest of the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.withdraw import can_withdraw_exactly, withdraw
from anycast_routed.decide import dead as decide_dead
from anycast_routed.errors import AnycastRoutedError, RouterUnavailableError

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan, Prefix
    from anycast_routed.reconcile.cycle import Inputs, Memory


def dead(memory: Memory, config: Config, observed: Observed) -> frozenset[Prefix]:
    """Return the prefixes that the router holds for services that are down by now.

    Empty unless the latest plan was for the same config and the same addresses.
    """
    if memory.planned is None or memory.planned[0] is not config:
        return frozenset()
    return decide_dead.dead(config, observed, memory.planned[1], memory.held)


def of_dead(speaker: Speaker, gone: frozenset[Prefix]) -> bool:
    """Withdraw all that `dead` has found, before there is a plan; return whether it was done."""
    try:
        withdraw(speaker, gone)
    except AnycastRoutedError:
        return False
    return True


def of_plan(inputs: Inputs, speaker: Speaker, desired: Plan, gone: frozenset[Prefix]) -> None:
    """Withdraw the held prefixes that the plan does not have, if that touches no other one.

    Raises:
        RouterUnavailableError: the router would not answer the rest of the step either.
    """
    if not (_keeps_others(inputs, desired, gone) or can_withdraw_exactly(speaker, gone)):
        return
    try:
        withdraw(speaker, gone)
    except RouterUnavailableError:
        raise
    except AnycastRoutedError:
        pass


def _keeps_others(inputs: Inputs, desired: Plan, gone: frozenset[Prefix]) -> bool:
    """Tell whether no healthy prefix is held for the services of the prefixes that go."""
    owners = {one.prefix: one.service for one in desired.withheld}
    services = {owners.get(prefix) for prefix in gone}
    return None not in services and not any(
        one.service in services and one.prefix in inputs.held for one in desired.announcements
    )
