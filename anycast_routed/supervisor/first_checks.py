"""Run the first check of each service while the rest of the daemon loads."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from anycast_routed.model import CheckKey

# Loaded here, since no two threads should import the same library at the same time.
from anycast_routed.observe.checks import dns  # noqa: F401
from anycast_routed.reconcile.probe import check_slots, probe

if TYPE_CHECKING:
    import asyncio

    from anycast_routed.config import Config, Dns
    from anycast_routed.reconcile.probe import Probed


class FirstChecks:
    """The first check of each service, begun at once in `group`.

    Raises the limit of descriptors as far as permitted: a hung server costs a check many.
    """

    def __init__(self, config: Config, group: asyncio.TaskGroup) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.slots = check_slots()
        """The slots for these checks and for all later ones."""
        self._running = {
            CheckKey(service.name, name): (check, group.create_task(probe(check, self.slots)))
            for service in config.services
            for name, check in service.checks.items()
        }

    async def next(self, key: CheckKey, check: Dns) -> Probed:
        """Return the first check's result; after that, or for a changed check, run another."""
        begun, task = self._running.get(key, (None, None))
        if task is not None and begun == check:
            del self._running[key]
            return await task
        return await probe(check, self.slots)

    def cancel(self) -> None:
        """Cancel the checks whose result nobody has asked for."""
        for _, task in self._running.values():
            task.cancel()
