"""Put another config in force while the daemon runs; refuse one that looks like a mistake."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from anycast_routed.announce import choose
from anycast_routed.config import password_files
from anycast_routed.decide.reload_guard import lost_drains, shrinks
from anycast_routed.errors import AnycastRoutedError, ConfigError, RouterUnavailableError
from anycast_routed.reconcile.once import refuse_shrink
from anycast_routed.state import requests
from anycast_routed.state.requests import Permission
from anycast_routed.system.threads import in_daemon_thread

if TYPE_CHECKING:
    from asyncio import Event
    from collections.abc import Callable, Collection
    from pathlib import Path
    from typing import NoReturn, Protocol

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config, Daemon
    from anycast_routed.facts.facts import Facts
    from anycast_routed.model import Observed, Prefix
    from anycast_routed.report.systemd import Notify
    from anycast_routed.supervisor.reporter import Reporter
    from anycast_routed.supervisor.router_loop import RouterLoop

    Load = Callable[[], tuple[Config, str]]
    """Reads the config file; returns the config and the digest of the content read."""

    class Adopted(Protocol):
        """What must know that another config is in force."""

        def __call__(self, *, other_checks: bool) -> None:
            """Take in that it is, and whether other checks are to be run."""


_AGAIN = 5.0  # seconds


class Reload:
    """Puts configs in force. Constructing one does no I/O."""

    def __init__(self, load: Load, facts: Facts, loop: RouterLoop, reporter: Reporter) -> None:
        self._load = load
        self._facts = facts
        self._loop = loop
        self._reporter = reporter

    async def run(self, reload: Event, notify: Notify, adopted: Adopted, wake: Event) -> NoReturn:
        """Read the config file whenever `reload` is set, and report what is wrong with it.

        While only passwords cannot be read it is tried again every few seconds: no file watch
        reports a corrected mode.

        `adopted` is called after each change. `wake` is set after each attempt.
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
            self._reporter.problem("config", problem)
            unread = isinstance(problem, password_files.UnreadPasswordsError)
            notify.ready()
            wake.set()

    async def _take(self, adopted: Adopted) -> None:
        before, held = self._facts.config, self._facts.held.prefixes
        observed = self._facts.observed_for_any(time.monotonic())
        speaker = self._loop.speaker

        def judged() -> tuple[Config, str, bool, bool]:
            config, digest = self._load()
            forced = requests.is_permitted(before.daemon.run_dir, Permission.FORCE, digest)
            if config == before:
                return config, digest, True, forced
            _refuse_moved(before.daemon, config.daemon)
            _refuse_lost_drains(before, config, observed)
            _refuse_shrunk(held, config, digest, observed)
            same = config.router == before.router or _is_same_router(config, speaker)
            return config, digest, same, forced

        config, self._facts.digest, same, forced = await in_daemon_thread(judged)
        if config == before and not (forced and self._facts.trials):
            return
        adopted(other_checks=self._facts.adopt(config, forced=forced))
        if config.router != before.router:
            await self._leave_router(same=same)
        self._reporter.log.info("config in force", file=self._reporter.config)

    async def _leave_router(self, *, same: bool) -> None:
        """Find the router of the new config; another router than before must announce nothing."""
        if same:
            await self._loop.leave_router(withdraw=False)
            return
        try:
            await self._loop.leave_router(withdraw=True)
        except AnycastRoutedError as error:
            self._reporter.problem("old router", error)
        else:
            self._reporter.problem("old router", None)


def _is_same_router(config: Config, speaker: Speaker | None) -> bool:
    """Tell whether the config names this router, with the same socket and the same file.

    Raises:
        ConfigError: two routers run here, and the config names none of them.
    """
    if speaker is None:
        return True  # No router was found yet, so there is none to leave.
    try:
        other = choose.choose(config)
    except RouterUnavailableError:
        # No router runs now: compare with the router that would be found if the old one ran.
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
    """Refuse a config in which a drained service or prefix has another name.

    Under the new name it would be announced during its maintenance.
    """
    for target in sorted(lost_drains(before, after, observed)):
        what = "service" if target in {one.name for one in before.services} else "prefix"
        message = f"{target} is drained, but the new config has no such {what}"
        raise ConfigError(message, hint=f"undrain it first: anycast-routed undrain {target}")


def _refuse_shrunk(
    held: Collection[Prefix], config: Config, digest: str, observed: Observed
) -> None:
    gone = shrinks(held, config, observed)
    if gone and not requests.is_permitted(config.daemon.run_dir, Permission.SHRINK, digest):
        refuse_shrink(gone, "reload")
