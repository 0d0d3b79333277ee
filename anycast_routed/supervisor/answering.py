"""Look from time to time whether the announced addresses are answered on this host."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from anycast_routed.reconcile.answering import MOST_ASKED, look_from

if TYPE_CHECKING:
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Finding, Plan

_EVERY = 30.0  # seconds from one look to the next
_WHILE_FOUND = 5.0  # the same while there is a finding, which is to be over soon


class Answering:
    """Looks after each change of the announced prefixes, and every 30 s. Decides nothing.

    `wake` is set when the findings change.
    """

    def __init__(self, facts: Facts, wake: asyncio.Event) -> None:
        self.findings: tuple[Finding, ...] = ()
        self._facts = facts
        self._wake = wake
        self._plan: Plan | None = None
        self._changed = asyncio.Event()

    def take(self, plan: Plan) -> None:
        """Take the plan that the router is known to run."""
        if self._plan is None or self._plan.announcements != plan.announcements:
            self._changed.set()
        self._plan = plan

    async def run(self) -> None:
        """Look until cancelled."""
        start = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WHILE_FOUND if self.findings else _EVERY):
                    await self._changed.wait()
            self._changed.clear()
            if (plan := self._plan) is None:
                continue
            found = await look_from(self._facts.config, plan, start)
            start += MOST_ASKED
            if found != self.findings:
                self.findings = found
                self._wake.set()
