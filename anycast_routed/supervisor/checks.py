"""The daemon's check tasks: run each check at its interval, and take what the pulse notices."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING

from anycast_routed.decide.unsupported import is_on_this_host, own_addresses
from anycast_routed.model import CheckKey, Outcome
from anycast_routed.observe.pulse import Pulse, Server, Sign
from anycast_routed.reconcile.probe import probe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.config import Config, Dns
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Host
    from anycast_routed.observe.pulse import Senses


def pulsed_servers(config: Config, host: Host) -> dict[CheckKey, Server]:
    """Return the server whose pulse is watched, for each check that wants a pulse."""
    own = own_addresses(host)
    return {
        CheckKey(service.name, name): _server(check)
        for service in config.services
        for name, check in service.checks.items()
        if check.pulse or (check.pulse is None and is_on_this_host(check, own))
    }


def _server(check: Dns) -> Server:
    return Server(
        check.ip, check.port, check.query, check.rrtype, check.pulse_interval, check.pid_file
    )


class Checks:
    """The check tasks of one config. They end with the task group that runs them.

    Each result goes into the facts; `wake` is set when a verdict has changed.
    """

    def __init__(
        self, facts: Facts, servers: Mapping[CheckKey, Server], wake: asyncio.Event
    ) -> None:
        self._facts = facts
        self._wake = wake
        self._servers = servers
        self.pulse = Pulse(dict.fromkeys(servers.values()))
        self._checks = {
            CheckKey(service.name, name): check
            for service in facts.config.services
            for name, check in service.checks.items()
        }
        self._due_now = {key: asyncio.Event() for key in self._checks}
        self._died_at = dict.fromkeys(self._checks, -math.inf)
        """When each server was last found dead: a check that began before that proves nothing."""

    async def run(self, slots: asyncio.Semaphore) -> None:
        """Run all checks and the pulse forever."""
        async with asyncio.TaskGroup() as group:
            for key, check in self._checks.items():
                group.create_task(self._repeat(key, check, slots))
            if self._servers:
                group.create_task(self.pulse.run())
                group.create_task(self._take_notices())

    async def _repeat(self, key: CheckKey, check: Dns, slots: asyncio.Semaphore) -> None:
        """Run one check at its interval, and at its fast interval while undecided."""
        due_now, server = self._due_now[key], self._servers.get(key)
        while True:
            due_now.clear()
            result, began, at = await probe(check, slots)
            if self._died_at[key] < began:
                if self._facts.fold(key, result, began=began, at=at):
                    self._wake.set()
                if server is not None and result.outcome in {Outcome.PASS, Outcome.FAIL}:
                    self.pulse.judged(server)
            pause = check.interval if self._facts.settled(key) else check.fast_interval
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, began + pause - at)):
                    await due_now.wait()

    async def _take_notices(self) -> None:
        """Take each notice of the pulse: a death is a verdict, any other a reason to check now."""
        keys: dict[Server, list[CheckKey]] = {}
        for key, server in self._servers.items():
            keys.setdefault(server, []).append(key)
        while True:
            notice = await self.pulse.next()
            for key in keys[notice.server]:
                if notice.sign is not Sign.DEAD:
                    self._due_now[key].set()
                    continue
                self._died_at[key] = at = time.monotonic()
                if self._facts.died(key, notice.reason, seen=notice.at, at=at):
                    self._wake.set()

    def senses(self) -> dict[str, Senses]:
        """Return which senses of the pulse work, for each service that has a pulse."""
        return {key.service: self.pulse.senses(server) for key, server in self._servers.items()}
