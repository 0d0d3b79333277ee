"""What is known without running a check: by the daemon, or by the last run."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anycast_routed.facts.facts import Facts
from anycast_routed.model import Health, Host
from anycast_routed.reconcile import cycle, probe
from anycast_routed.state import drain_orders, running_daemon

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Finding, Observed
    from anycast_routed.state.status_file import Live

UNRECORDED = Health(reason="no verdict on record")
"""Where no daemon runs and no run has recorded a verdict: there may have been one."""


def observed(config: Config, speaker: Speaker | None) -> tuple[Observed, Live | None]:
    """Return what the running daemon knows, with its status; else what the last run recorded.

    Raises:
        UnknownError: the drain orders cannot be read.
    """
    orders = drain_orders.load(config.daemon.state_dir, time.time())
    facts = probe.gather(config, cycle.remembered(config), orders, speaker)
    found, daemon = facts.observed(time.monotonic()), running_daemon.said(config.daemon.run_dir)
    if daemon is None:
        checks = {key: UNRECORDED if one == Health() else one for key, one in found.checks.items()}
        return replace(found, checks=checks), None
    # A config that the daemon has not taken may have services that the daemon does not know.
    checks = {key: daemon.checks.get(key, one) for key, one in found.checks.items()}
    return replace(found, checks=checks, damped=daemon.damped, drains=daemon.drains), daemon


def failed_trials(config: Config) -> list[Finding]:
    """Return a finding for each changed check that failed at the last run, and is still to pass."""
    facts = Facts(config, cycle.remembered(config), Host(frozenset(), ()))
    return [one for one in facts.verdicts.failures("apply").values() if one is not None]
