"""The plan on this host if every service were up, or every service down."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose
from anycast_routed.decide.plan import plan as decide
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.model import CheckKey, Health, Verdict
from anycast_routed.reconcile import blackholes, probe
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan


def assumed(config: Config, verdict: Verdict) -> tuple[Plan, Observed]:
    """Return the plan on this host with every service UP or DOWN and nothing drained."""
    health = Health(verdict, reason=f"assumed {verdict}")
    checks = {CheckKey(one.name, check): health for one in config.services for check in one.checks}
    found = probe.gather(config, Record("", "", checks), (), None).observed(time.monotonic())
    return decide(config, found), found


def best(config: Config) -> Plan:
    """Return the plan with every service UP and nothing drained, as the router would take it.

    Without a router that answers, it is the plan as decided.
    """
    decided, _ = assumed(config, Verdict.UP)
    with contextlib.suppress(AnycastRoutedError):
        return blackholes.as_recorded(config, choose.choose(config), decided)
    return decided
