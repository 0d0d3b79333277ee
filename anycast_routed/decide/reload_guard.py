"""Whether a config would do what only one by mistake does.

It takes off most of what is announced, or no longer has what is drained.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.plan import plan
from anycast_routed.model import CheckKey, Health, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan, Prefix


def at_best(config: Config, observed: Observed) -> Plan:
    """Return the plan with every service up, nothing drained or damped, every interface up."""
    up = {
        CheckKey(service.name, check): Health(Verdict.UP, ever_up=True)
        for service in config.services
        for check in service.checks
    }
    return plan(config, replace(observed, checks=up, down=frozenset(), drains={}, damped={}))


def shrinks(held: Collection[Prefix], config: Config, observed: Observed) -> frozenset[Prefix]:
    """Return the held prefixes that this config would not announce even at its best.

    Empty unless they are more than half of those held, so a prefix that moves elsewhere is no
    mistake. An address that has left this host counts as well: ask only when the config has
    changed.
    """
    announced = {one.prefix for one in at_best(config, observed).announcements}
    gone = frozenset(held) - announced
    return gone if 2 * len(gone) > len(frozenset(held)) else frozenset()


def lost_drains(before: Config, after: Config, observed: Observed) -> frozenset[str]:
    """Return the drained targets that one config has, and the other has not, even at its best.

    A service with another name would be announced, in the midst of its maintenance.
    """
    if not observed.drains:
        return frozenset()
    return frozenset(observed.drains) & (_targets(before, observed) - _targets(after, observed))


def _targets(config: Config, observed: Observed) -> frozenset[str]:
    prefixes = {str(one.prefix) for one in at_best(config, observed).announcements}
    return frozenset(prefixes | {service.name for service in config.services})
