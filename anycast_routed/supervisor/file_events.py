"""The task that takes what changes in files: config, passwords, templates, drains, sockets."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from anycast_routed.config import digest, password_files
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.state import drain_orders
from anycast_routed.system import files
from anycast_routed.system.threads import beside

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from anycast_routed.config import Config
    from anycast_routed.facts.facts import Facts
    from anycast_routed.observe.file_watch import Watch
    from anycast_routed.supervisor.reporter import Teller

_LARGEST = 1 << 20  # octets of the names of all services


class Files:
    """Watches the files of the config in force. Constructing one does no I/O.

    `wake` is set after each change, and `reload` where the config file or a password is another
    one than the one that the facts rest on.
    """

    def __init__(
        self, path: Path, facts: Facts, teller: Teller, wake: asyncio.Event, reload: asyncio.Event
    ) -> None:
        self._path = path
        self._facts = facts
        self._teller = teller
        self._wake = wake
        self._reload = reload
        self._adopted = asyncio.Event()
        self._ordered = asyncio.Event()
        """What the operator has ordered is to be read, perhaps again."""

    def adopted(self) -> None:
        """Take in that the config in force is another one, which may name other files."""
        self._adopted.set()

    async def run(self) -> NoReturn:
        """Watch for ever."""
        from anycast_routed.observe.file_watch import Watch  # noqa: PLC0415 - loaded by now, not before

        async with asyncio.TaskGroup() as all_of_them:
            all_of_them.create_task(self._take_orders())
            while True:
                paths = self._paths()
                async with asyncio.TaskGroup() as group:
                    following = group.create_task(self._follow(Watch(paths)))
                    while self._paths() == paths:
                        await self._adopted.wait()
                        self._adopted.clear()
                    following.cancel()

    async def _follow(self, watch: Watch) -> None:
        await beside(watch.look)
        # What has changed before that will be told by nobody.
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
        """Take what the operator has drained; what cannot be read leaves things as they are."""
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            drained, forgive = self._orders()
            try:
                orders = await beside(partial(drain_orders.load, drained.parent, 0.0))
                self._facts.order(orders, time.time())
                if names := await beside(partial(files.read_own, forgive, most=_LARGEST)):
                    self._facts.forgive(names.split())
                    # The next one may have the same names, and is to be seen as another one.
                    await beside(partial(files.remove, forgive))
            except AnycastRoutedError as error:
                self._teller.problem("drains", error)
            else:
                self._teller.problem("drains", None)
            self._wake.set()
            # One that was refused for what is drained may be taken now.
            await self._look_at_config()

    async def _look_at_config(self) -> None:
        config, known = self._facts.config, self._facts.digest
        is_other = await beside(partial(digest, self._path)) != known
        if is_other or await beside(partial(password_files.read, config)) != config:
            self._reload.set()

    def _orders(self) -> tuple[Path, Path]:
        daemon = self._facts.config.daemon
        return daemon.state_dir / "drains.json", daemon.run_dir / "forgive"

    def _paths(self) -> tuple[Path, ...]:
        config = self._facts.config
        return (self._path, *password_files.files(config), *self._orders(), *_of_router(config))


def _of_router(config: Config) -> tuple[Path, ...]:
    """Return the files that a router makes at its start, and the operator's own templates."""
    router = config.router
    sockets = (router.control_socket, router.vty_dir / "bgpd.vty")
    if router.template_dir is None:
        return sockets
    return (*sockets, router.template_dir / "bird.conf.j2", router.template_dir / "frr.conf.j2")
