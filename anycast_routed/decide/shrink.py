"""Whether a config would take off most of what is announced, as one by mistake does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.decide.plan import plan
from anycast_routed.model import Health, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Prefix


def shrinks(held: Collection[Prefix], config: Config, observed: Observed) -> frozenset[Prefix]:
    """Return the held prefixes that this config would not announce even at its best.

    At its best: every service up, nothing drained or damped, every interface up. Empty unless
    they are more than half of those held, so a prefix that moves elsewhere is no mistake. An
    address that has left this host counts as well: ask only when the config has changed.
    """
    up = {service.name: Health(Verdict.UP, ever_up=True) for service in config.services}
    at_best = replace(observed, health=up, down=frozenset(), drains={}, damped={})
    announced = {one.prefix for one in plan(config, at_best).announcements}
    gone = frozenset(held) - announced
    return gone if 2 * len(gone) > len(frozenset(held)) else frozenset()
