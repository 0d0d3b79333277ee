"""Watch files for changes: config, passwords, templates, drain orders, router sockets."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from anycast_routed.announce.choose import sockets
from anycast_routed.announce.render import template_files
from anycast_routed.config import digest, password_files
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.state import drain_orders, paths, requests
from anycast_routed.system.threads import in_daemon_thread

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from anycast_routed.config import Config
    from anycast_routed.facts.facts import Facts
    from anycast_routed.observe.file_watch import Watch
    from anycast_routed.supervisor.reporter import Reporter


class FileEvents:
    """Watches the files of the config in force. Constructing one does no I/O.

    `wake` is set after each change; `reload` is set when the content of the config file or of a
    password file differs from what is in force.
    """

    def __init__(
        self,
        path: Path,
        facts: Facts,
        reporter: Reporter,
        wake: asyncio.Event,
        reload: asyncio.Event,
    ) -> None:
        self._path = path
        self._facts = facts
        self._reporter = reporter
        self._wake = wake
        self._reload = reload
        self._adopted = asyncio.Event()
        self._ordered = asyncio.Event()
        """The drain orders must be read again."""

    def adopted(self) -> None:
        """Take in that another config is in force, which may name other files."""
        self._adopted.set()

    async def run(self) -> NoReturn:
        """Watch forever."""
        from anycast_routed.observe.file_watch import Watch  # noqa: PLC0415 - loaded by now, not before

        async with asyncio.TaskGroup() as whole:
            whole.create_task(self._take_orders())
            while True:
                paths = self._paths()
                async with asyncio.TaskGroup() as group:
                    following = group.create_task(self._follow(Watch(paths)))
                    while self._paths() == paths:
                        await self._adopted.wait()
                        self._adopted.clear()
                    following.cancel()

    async def _follow(self, watch: Watch) -> None:
        await in_daemon_thread(watch.look)
        # No event reports what changed before the watch began.
        self._ordered.set()
        await self._look_at_config()
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run())
            while True:
                changed = await watch.changed()
                if changed & {self._path, *password_files.files(self._facts.config)}:
                    self._reload.set()
                if changed & set(self._orders()):
                    self._ordered.set()
                else:
                    self._wake.set()

    async def _take_orders(self) -> NoReturn:
        """Read the drain orders whenever they change; if unreadable, the old ones stay in force."""
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            daemon = self._facts.config.daemon
            try:
                orders = await in_daemon_thread(partial(drain_orders.load, daemon.state_dir, 0.0))
                self._facts.order(orders, time.time())
                if names := await in_daemon_thread(partial(requests.read_forgive, daemon.run_dir)):
                    self._facts.forgive(names)
                    # The next request may have the same names, and must be noticed as a new one.
                    await in_daemon_thread(partial(requests.clear_forgive, daemon.run_dir))
            except AnycastRoutedError as error:
                self._reporter.problem("drains", error)
            else:
                self._reporter.problem("drains", None)
            self._wake.set()
            # A config that was refused because of a drain may be accepted now.
            await self._look_at_config()

    async def _look_at_config(self) -> None:
        config, known = self._facts.config, self._facts.digest
        is_other = await in_daemon_thread(partial(digest, self._path)) != known
        if is_other or await in_daemon_thread(partial(password_files.read, config)) != config:
            self._reload.set()

    def _orders(self) -> tuple[Path, Path]:
        daemon = self._facts.config.daemon
        return paths.drain_orders(daemon.state_dir), paths.forgive(daemon.run_dir)

    def _paths(self) -> tuple[Path, ...]:
        config = self._facts.config
        return (self._path, *password_files.files(config), *self._orders(), *_of_router(config))


def _of_router(config: Config) -> tuple[Path, ...]:
    """Return the sockets that a router makes at its start, and the operator's templates."""
    return (*sockets(config).values(), *template_files(config.router.template_dir))
