"""The daemon's check tasks: run each check at its interval, and take what the pulse notices."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anycast_routed.decide.unsupported import is_on_this_host, own_addresses
from anycast_routed.model import CheckKey, Outcome
from anycast_routed.observe.pulse import Pulse, Server, Sign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.config import Dns
    from anycast_routed.facts.facts import Facts
    from anycast_routed.facts.verdicts import Asked
    from anycast_routed.model import Host
    from anycast_routed.observe.pulse import Notice, Senses
    from anycast_routed.supervisor.first_checks import FirstChecks


def pulsed_servers(asked: Iterable[Asked], host: Host) -> list[Server | None]:
    """Return the server whose pulse is watched for each check; None for one without a pulse."""
    own = own_addresses(host)
    return [
        _server(check)
        if check.pulse or (check.pulse is None and is_on_this_host(check, own))
        else None
        for _, check in asked
    ]


def _server(check: Dns) -> Server:
    return Server(
        check.ip, check.port, check.query, check.rrtype, check.pulse_interval, check.pid_file
    )


@dataclass(eq=False, slots=True)
class _Running:
    """A check that runs: it decides, or is on trial."""

    key: CheckKey
    check: Dns
    server: Server | None
    """The server whose pulse is watched while this check decides."""
    due_now: asyncio.Event = field(default_factory=asyncio.Event)
    died_at: float = -math.inf
    """When the server was last found dead: a check that began before that proves nothing."""
    died_with: frozenset[int] | None = None
    """The sockets that the server had then; None while it lives."""


class Checks:
    """The check tasks of one config. They end with the task group that runs them.

    Each result goes into the facts; `wake` is set when a verdict has changed.
    """

    def __init__(self, facts: Facts, wake: asyncio.Event, first: FirstChecks) -> None:
        self._facts = facts
        self._first = first
        self._wake = wake
        asked = facts.verdicts.asked()
        self._running = [
            _Running(key, check, server)
            for (key, check), server in zip(asked, pulsed_servers(asked, facts.host), strict=True)
        ]
        self._of_key: dict[CheckKey, list[_Running]] = {}
        self._watched: dict[Server, list[_Running]] = {}
        """The checks that decide, by the server whose pulse is watched."""
        for one in self._running:
            self._of_key.setdefault(one.key, []).append(one)
            if one.server is not None and facts.verdicts.decides(one.key, one.check):
                self._watched.setdefault(one.server, []).append(one)
        servers = [one.server for one in self._running if one.server is not None]
        self.pulse = Pulse(self._watched, later=servers)

    async def run(self) -> None:
        """Run all checks and the pulse forever."""
        async with asyncio.TaskGroup() as group:
            for one in self._running:
                group.create_task(self._repeat(one))
            if any(one.server is not None for one in self._running):
                group.create_task(self.pulse.run())
                group.create_task(self._take_notices())

    async def _repeat(self, one: _Running) -> None:
        """Run one check at its interval, and at its fast interval while undecided.

        A check ends with the trial that another one has won.
        """
        key, check, verdicts = one.key, one.check, self._facts.verdicts
        while verdicts.is_asked(key, check):
            one.due_now.clear()
            result, began, at = await self._first.next(key, check)
            if one.died_at < began:
                if result.outcome is Outcome.PASS:
                    self._returned(one, at)
                if self._facts.fold(key, result, began=began, at=at, by=check):
                    self._turned(key)
                if one.server in self._watched and result.outcome in {Outcome.PASS, Outcome.FAIL}:
                    self.pulse.judged(one.server)
            pause = check.interval if verdicts.settled(key, check) else check.fast_interval
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, began + pause - time.monotonic())):
                    await one.due_now.wait()

    async def _take_notices(self) -> None:
        """Take each notice of the pulse: a death is a verdict, any other a reason to check now."""
        while True:
            notice = await self.pulse.next()
            for one in tuple(self._watched.get(notice.server, ())):
                if notice.sign is Sign.DEAD:
                    self._died(one, notice)
                    continue
                one.due_now.set()
                if notice.sign is Sign.ALIVE:
                    self._returned(one, notice.at)

    def _died(self, one: _Running, notice: Notice) -> None:
        """Take the proof that a server is dead. While it has sockets, it may only hang."""
        at = time.monotonic()
        sockets = self.pulse.sockets(notice.server)
        for other in self._of_key[one.key]:
            other.died_at = at
            if other.server == one.server:  # also of a check that takes over by this death
                other.died_with = sockets
        grace = one.check.timeout if sockets else 0.0
        if self._facts.died(one.key, notice.reason, seen=notice.at, at=at, grace=grace):
            self._turned(one.key)

    def _returned(self, one: _Running, at: float) -> None:
        """Take in that a server answers, the pulse or its check, whichever comes first."""
        if one.died_with is None or one.server not in self._watched:
            return
        same = one.died_with == self.pulse.sockets(one.server)
        one.died_with = None
        if self._facts.returned(one.key, at=at, same_sockets=same):
            self._wake.set()

    def _turned(self, key: CheckKey) -> None:
        """Wake the router loop; if a trial is over, the pulse follows the check that decides."""
        self._wake.set()
        over = [
            one for one in self._of_key[key] if not self._facts.verdicts.is_asked(key, one.check)
        ]
        if not over:
            return
        self._of_key[key] = [one for one in self._of_key[key] if one not in over]
        for one in self._of_key[key]:
            self._watch(one)
        for one in over:
            self._unwatch(one)
            one.due_now.set()  # its task ends

    def _watch(self, one: _Running) -> None:
        """Watch the pulse of the server, if the check decides and wants a pulse."""
        if one.server is None or not self._facts.verdicts.decides(one.key, one.check):
            return
        watched = self._watched.setdefault(one.server, [])
        if one not in watched:
            watched.append(one)
            self.pulse.observe(one.server)

    def _unwatch(self, one: _Running) -> None:
        """Watch the pulse of the server no longer, unless another check of it decides."""
        if one.server is None or one not in self._watched.get(one.server, ()):
            return
        self._watched[one.server].remove(one)
        if not self._watched[one.server]:
            del self._watched[one.server]
            self.pulse.forget(one.server)

    def senses(self) -> dict[str, Senses]:
        """Return which senses of the pulse work, for each service that has a pulse."""
        return {
            one.key.service: self.pulse.senses(server)
            for server, watched in self._watched.items()
            for one in watched
        }
