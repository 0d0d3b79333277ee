"""What remains to be done while the router cannot be reached: keep its file from announcing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, router_file, transaction
from anycast_routed.decide.plan import plan
from anycast_routed.decide.proof import bearable
from anycast_routed.reconcile import cycle, probe

if TYPE_CHECKING:
    from anycast_routed.config import Config
    from anycast_routed.model import Plan


def disarm(config: Config, desired: Plan) -> None:
    """Leave only desired prefixes in the file that the router would start with.

    Healthy prefixes stay, since the router may only be slow, or back in a moment.
    """
    if config.router.daemon != "frr":
        transaction.disarm(choose.bird(config), bearable(desired, ()))


def probe_and_disarm(config: Config) -> None:
    """Run the checks, then `disarm`: what `apply` does when the router could not be reached."""
    if config.router.daemon == "frr":
        return
    bird = choose.bird(config)
    if router_file.read(bird) is None:
        router_file.refuse_odd(bird)
        return
    facts, _ = probe.observe(config, cycle.remembered(config), None)
    disarm(config, plan(config, facts.observed(time.monotonic())))
