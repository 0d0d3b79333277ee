"""Takes another config while the daemon runs. One that looks like a mistake is refused."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose
from anycast_routed.config import password_files
from anycast_routed.decide.reload_guard import lost_drains, shrinks
from anycast_routed.errors import AnycastRoutedError, ConfigError, RouterUnavailableError
from anycast_routed.reconcile import cycle
from anycast_routed.system import files
from anycast_routed.system.threads import beside

if TYPE_CHECKING:
    from asyncio import Event
    from collections.abc import Callable, Collection
    from pathlib import Path
    from typing import NoReturn

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config, Daemon
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Observed, Prefix
    from anycast_routed.report.systemd import Notify
    from anycast_routed.supervisor.reporter import Teller
    from anycast_routed.supervisor.router_loop import Loop

    Load = Callable[[], tuple[Config, str]]
    """Reads the config file, and returns the digest of the very content that it had."""

_AGAIN = 5.0  # seconds


class Configs:
    """Takes configs into the facts. Constructing one does no I/O."""

    def __init__(self, load: Load, facts: Facts, loop: Loop, teller: Teller) -> None:
        self._load = load
        self._facts = facts
        self._loop = loop
        self._teller = teller

    async def run(
        self, reload: Event, notify: Notify, adopted: Callable[[Config], None], wake: Event
    ) -> NoReturn:
        """Take the config file whenever `reload` is set; what is wrong with it is told.

        While passwords are what is wrong it is tried again: no watch tells of a mode put right.

        `adopted` gets the config that was in force before, and `wake` is set after each attempt.
        """
        unread = bool(password_files.unread(self._facts.config))
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN if unread else None):
                    await reload.wait()
            if reload.is_set():
                notify.reloading()
            reload.clear()
            problem = None
            try:
                await self._take(adopted)
            except AnycastRoutedError as error:
                problem = error
            self._teller.problem("config", problem)
            unread = isinstance(problem, password_files.UnreadPasswordsError)
            notify.ready()
            wake.set()

    async def _take(self, adopted: Callable[[Config], None]) -> None:
        before, held = self._facts.config, self._facts.held.prefixes
        observed = self._facts.observed(time.monotonic())
        speaker = self._loop.speaker

        def judged() -> tuple[Config, str, bool]:
            config, digest = self._load()
            if config == before:
                return config, digest, True
            _refuse_moved(before.daemon, config.daemon)
            _refuse_lost_drains(before, config, observed)
            _refuse_shrunk(held, config, digest, observed)
            same = config.router == before.router or _names(config, speaker)
            return config, digest, same

        config, self._facts.digest, same = await beside(judged)
        if config == before:
            return
        self._facts.adopt(config)
        adopted(before)
        if config.router != before.router:
            await self._leave_router(still_ours=same)
        self._teller.log.info("config taken", file=self._teller.config)

    async def _leave_router(self, *, still_ours: bool) -> None:
        """Have the router met again as the config has it; another one must keep nothing of ours."""
        if still_ours:
            await self._loop.leave_router(withdraw=False)
            return
        try:
            await self._loop.leave_router(withdraw=True)
        except AnycastRoutedError as error:
            self._teller.problem("old router", error)
        else:
            self._teller.problem("old router", None)


def _names(config: Config, speaker: Speaker | None) -> bool:
    """Tell whether the config names this router, by the same socket and with the same file.

    Raises:
        ConfigError: it could be either of two.
    """
    if speaker is None:
        return True  # None has been found, so there is none to leave.
    try:
        other = choose.choose(config)
    except RouterUnavailableError:
        # None runs at the moment: the one of before is this one, if it would be when it does.
        router = config.router.model_copy(update={"daemon": speaker.name})
        other = choose.choose(config.model_copy(update={"router": router}))
    return _identity(other) == _identity(speaker)


def _identity(speaker: Speaker) -> tuple[str, Path, Path]:
    return speaker.name, speaker.socket, speaker.file


def _refuse_moved(before: Daemon, after: Daemon) -> None:
    for name in ("run_dir", "state_dir"):
        if getattr(before, name) != getattr(after, name):
            key = name.replace("_", "-")
            message = f"daemon.{key} cannot change while the daemon runs"
            raise ConfigError(message, hint="restart it: systemctl restart anycast-routed")


def _refuse_lost_drains(before: Config, after: Config, observed: Observed) -> None:
    """Refuse to announce by another name what is under maintenance."""
    for target in sorted(lost_drains(before, after, observed)):
        what = "service" if target in {one.name for one in before.services} else "prefix"
        message = f"{target} is drained, and the new config has no such {what}: undrain it first"
        raise ConfigError(message, hint=f"anycast-routed undrain {target}")


def _refuse_shrunk(
    held: Collection[Prefix], config: Config, digest: str, observed: Observed
) -> None:
    gone = shrinks(held, config, observed)
    allowed = config.daemon.run_dir / "allow-shrink"
    if gone and files.read_own(allowed, most=len(digest)) != digest:
        raise cycle.shrunk(gone, "reload")
