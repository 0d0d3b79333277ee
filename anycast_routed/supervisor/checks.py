"""The tasks that watch: each awaits facts from `observe`, folds them in, and wakes the loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from anycast_routed.model import Outcome
from anycast_routed.observe.checks import dns
from anycast_routed.observe.pulse import Pulse, Server, Sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.config import Config, Dns, Service
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Host
    from anycast_routed.observe.pulse import Senses


def pulsed(config: Config, host: Host) -> dict[str, Server]:
    """Return the server whose pulse is to be felt, for each service that wants that."""
    own = frozenset(one.address.ip for one in host.addresses)
    return {
        service.name: _server(service.dns)
        for service in config.services
        if service.dns.pulse or (service.dns.pulse is None and _is_here(service.dns, own))
    }


def _is_here(asked: Dns, own: frozenset[object]) -> bool:
    return asked.ip.is_loopback or asked.ip in own


def _server(asked: Dns) -> Server:
    return Server(
        asked.ip, asked.port, asked.query, asked.rrtype, asked.pulse_interval, asked.pid_file
    )


class Watchers:
    """The watchers of one config's services. They end with the task group that runs them."""

    def __init__(self, facts: Facts, servers: Mapping[str, Server], wake: asyncio.Event) -> None:
        self._facts = facts
        self._wake = wake
        self._servers = servers
        self.pulse = Pulse(dict.fromkeys(servers.values()))
        self._poked = {service.name: asyncio.Event() for service in facts.config.services}
        self._deaths = dict.fromkeys(self._poked, 0)
        """How often each service has died: what a check has begun to ask before is no news."""

    async def run(self, at_once: asyncio.Semaphore) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as group:
            for service in self._facts.config.services:
                group.create_task(self._check(service, at_once))
            if self._servers:
                group.create_task(self.pulse.run())
                group.create_task(self._feel())

    async def _check(self, service: Service, at_once: asyncio.Semaphore) -> None:
        """Check one service at its interval, and at its fast interval while undecided."""
        name, asked = service.name, service.dns
        poked, server = self._poked[name], self._servers.get(name)
        while True:
            poked.clear()
            async with at_once:
                began, deaths = time.monotonic(), self._deaths[name]
                result = await dns.check(asked)
            at = time.monotonic()
            if deaths == self._deaths[name]:
                if self._facts.fold(name, asked, result, began=began, at=at):
                    self._wake.set()
                if server is not None and result.outcome in {Outcome.PASS, Outcome.FAIL}:
                    self.pulse.judged(server)
            pause = asked.interval if self._facts.settled(name) else asked.fast_interval
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, began + pause - at)):
                    await poked.wait()

    async def _feel(self) -> None:
        """Take what the pulse notices: a death is a verdict, anything else a reason to check."""
        names: dict[Server, list[Service]] = {}
        for service in self._facts.config.services:
            if service.name in self._servers:
                names.setdefault(self._servers[service.name], []).append(service)
        while True:
            notice = await self.pulse.next()
            for service in names[notice.server]:
                name = service.name
                if notice.sign is not Sign.DEAD:
                    self._poked[name].set()
                    continue
                self._deaths[name] += 1
                at = time.monotonic()
                if self._facts.died(name, service.dns, notice.reason, seen=notice.at, at=at):
                    self._wake.set()

    def senses(self) -> dict[str, Senses]:
        """Return which senses of the pulse work, for each service that has one."""
        return {name: self.pulse.senses(server) for name, server in self._servers.items()}
