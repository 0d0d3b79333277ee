"""Detect a new config that is most likely a mistake.

Such a config withdraws most announced prefixes, or no longer has a drained service or prefix.
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
    """Return the held prefixes that this config would not announce even with all services up.

    Empty unless they are more than half of the held prefixes: moving a prefix elsewhere is no
    mistake. An address that was removed from this host counts as well, so call this only when the
    config has changed.
    """
    announced = {one.prefix for one in at_best(config, observed).announcements}
    gone = frozenset(held) - announced
    return gone if 2 * len(gone) > len(frozenset(held)) else frozenset()


def lost_drains(before: Config, after: Config, observed: Observed) -> frozenset[str]:
    """Return the drained targets that exist in one config, and not in the other.

    A renamed service would be announced in the middle of its maintenance.
    """
    if not observed.drains:
        return frozenset()
    return frozenset(observed.drains) & (_targets(before, observed) - _targets(after, observed))


def _targets(config: Config, observed: Observed) -> frozenset[str]:
    prefixes = {str(one.prefix) for one in at_best(config, observed).announcements}
    return frozenset(prefixes | {service.name for service in config.services})
