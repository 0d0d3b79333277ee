"""What a single run does while the router cannot be reached: check, and shorten its file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, owner, router_file
from anycast_routed.announce.withdraw import shorten_file
from anycast_routed.decide.plan import plan
from anycast_routed.decide.proof import bearable
from anycast_routed.reconcile import cycle, probe

if TYPE_CHECKING:
    from anycast_routed.config import Config


def probe_and_shorten(config: Config, *, force: bool = False) -> None:
    """Run the checks, and leave only healthy prefixes in the file that the router starts with.

    Healthy prefixes stay, since the router may only be slow, or back in a moment.

    Raises:
        OtherOwnerError: another instance has written the file.
        CannotWriteError, AccessDeniedError: the file could not be shortened.
    """
    with_text = []
    for speaker in choose.starting_with_file(config):
        owner.refuse_file(speaker)
        if router_file.read(speaker) is None:
            router_file.remove_unusable(speaker)
        else:
            with_text.append(speaker)
    if not with_text:
        return
    facts, _ = probe.observe(config, cycle.remembered(config), None, force=force)
    desired = plan(config, facts.observed(time.monotonic()))
    for speaker in with_text:
        shorten_file(speaker, bearable(desired, ()))
