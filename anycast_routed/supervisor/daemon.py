"""The daemon: tasks that replace the facts, and one loop that reconciles.

It holds the run folder's lock for as long as it runs. What it announces rests on verdicts of this
very process: what its record says, or the router still has, stands only until there is one.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import gc
import resource
import signal
import time
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError, LockedError
from anycast_routed.facts.facts import Facts
from anycast_routed.model import Host
from anycast_routed.reconcile import cycle
from anycast_routed.state import drain_orders, handover, record, status_file
from anycast_routed.supervisor.checks import Watchers, pulsed
from anycast_routed.supervisor.file_events import Files
from anycast_routed.supervisor.reload import Configs
from anycast_routed.supervisor.reporter import Teller
from anycast_routed.supervisor.router_loop import Loop
from anycast_routed.system import directories, lock

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.config import Config
    from anycast_routed.observe.pulse import Senses
    from anycast_routed.report.log import Log
    from anycast_routed.report.systemd import Notify
    from anycast_routed.supervisor.reload import Load

# Python would load it when a strange text first comes, and then there may be no descriptor left.
codecs.lookup("unicode_escape")

_LOCK_WITHIN = 0.2  # seconds
_AGAIN = 1.0  # seconds until addresses that could not be read are tried again


class Supervisor:
    """One daemon. Constructing one does no I/O."""

    def __init__(self, load: Load, path: Path, log: Log, notify: Notify) -> None:
        self._load = load
        self._path = path
        self._notify = notify
        self._wake = asyncio.Event()
        self._teller = Teller(log, notify, str(path), self._wake)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._anew = asyncio.Event()
        """The watchers are to begin anew: the config is another one, or where servers live."""
        self._seen = asyncio.Event()
        """This host's addresses are known."""
        self._watchers: Watchers | None = None

    def stop(self) -> None:
        """Stop, or do not begin: for who gets the signals until `run` takes them."""
        self._stop.set()

    async def run(self, config: Config, digest: str) -> None:
        """Supervise until SIGTERM or SIGINT, and then do as `daemon.on-stop` says.

        `digest` tells the content that this config was read from.

        Raises:
            LockedError: another instance is at work, or can be, since our run folder is gone.
            ConfigError: what is drained cannot be read.
            UntrustedError: others than us may write into a folder of ours.
            HostUnreadableError, AccessDeniedError: this host's addresses cannot be read.
            NotConfirmedError, RouterUnavailableError: the withdrawal at the end failed.
        """
        run_dir = config.daemon.run_dir
        # Who only looks whether a daemon runs holds the lock for microseconds.
        with lock.hold(run_dir, "daemon", within=_LOCK_WITHIN) as self._lock:
            directories.refuse_shared(config.daemon.state_dir)
            known = record.load(run_dir) or record.Record(record.this_boot(), "")
            self._facts = Facts(config, known, Host(frozenset(), ()))
            self._facts.digest = digest
            self._facts.order(drain_orders.load(config.daemon.state_dir, 0.0), time.time())
            self._loop = Loop(self._facts, self._wake)
            self._files = Files(self._path, self._facts, self._teller, self._wake, self._reload)
            self._configs = Configs(self._load, self._facts, self._loop, self._teller)
            handover.clear(run_dir)
            try:
                await self._until_stopped()
            finally:
                await self._teller.finish()
                if not self._lock.lost():  # What is there now may be another one's.
                    with contextlib.suppress(AnycastRoutedError):
                        status_file.forget(run_dir)

    async def _until_stopped(self) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._stop.set)
        running.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._teller.begin(self._facts.config.daemon.state_dir)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work)
                for work in (
                    self._watch(),
                    self._see(),
                    self._reconcile(),
                    self._read_files(),
                    self._configs.run(self._reload, self._notify, self._adopted, self._wake),
                )
            ]
            await self._stop.wait()
            self._notify.stopping()
            for task in tasks:
                task.cancel()
        daemon = self._facts.config.daemon
        keep = daemon.on_stop == "keep" or handover.marked(daemon.run_dir)
        self._teller.log.info("stopping", announcements="kept" if keep else "withdrawn")
        await self._loop.stop(withdraw=not keep)

    async def _watch(self) -> None:
        """Run the watchers of the config in force, until they are to begin anew."""
        _take_descriptors()
        at_once = cycle.at_once()
        while True:
            self._anew.clear()
            servers = pulsed(self._facts.config, self._facts.host)
            self._watchers = Watchers(self._facts, servers, self._wake)
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watchers.run(at_once))
                await self._anew.wait()
                watching.cancel()

    async def _see(self) -> None:
        """Take every change of this host's addresses."""
        await asyncio.to_thread(_load_the_rest)
        from anycast_routed.observe import addresses  # noqa: PLC0415 - it is loaded now

        while True:
            try:
                async with contextlib.aclosing(addresses.changes()) as hosts:
                    async for host in hosts:
                        self._teller.problem("addresses", None)
                        self._saw(host)
            except AnycastRoutedError as error:
                if not self._seen.is_set():
                    raise
                # What is known of them stands meanwhile.
                self._teller.problem("addresses", error)
                await asyncio.sleep(_AGAIN)

    def _saw(self, host: Host) -> None:
        before = pulsed(self._facts.config, self._facts.host)
        if self._facts.see(host) or not self._seen.is_set():
            self._seen.set()
            self._wake.set()
            if pulsed(self._facts.config, host) != before:
                self._anew.set()

    async def _reconcile(self) -> None:
        """Bring the router to the plan, and keep it there."""
        await self._seen.wait()
        ready = False
        while True:
            self._refuse_company()
            begun = time.monotonic()
            self._facts.expire(time.time())
            done = await self._loop.once()
            self._teller.passed(done, self._facts, begun)
            self._teller.write(self._facts, self._senses())
            self._notify.watchdog()
            if not ready:
                ready = True
                self._notify.ready()
                # What is loaded now stays; from here on memory is looked after as usual.
                gc.freeze()
                gc.enable()
            await self._loop.sleep()

    def _refuse_company(self) -> None:
        if self._lock.lost():
            message = f"{self._facts.config.daemon.run_dir} was replaced or deleted under us"
            hint = "another daemon could begin there; systemd starts this one again"
            raise LockedError(message, hint=hint)

    def _adopted(self, before: Config) -> None:
        """Have another config taken by everyone whom it concerns; checks go on where they can."""
        self._files.adopted()
        if self._facts.config.services != before.services:
            self._anew.set()

    def _senses(self) -> dict[str, Senses]:
        return self._watchers.senses() if self._watchers else {}

    async def _read_files(self) -> None:
        """Take what changes in files, once all is loaded."""
        await self._seen.wait()
        await self._files.run()


def _load_the_rest() -> None:
    """Load what takes the longest while the first checks are under way.

    And load all, because an upgrade may replace our files under us.
    """
    from anycast_routed.announce import render  # noqa: PLC0415 - loading is the point
    from anycast_routed.observe import addresses, file_watch  # noqa: F401, PLC0415 - as above

    render.load()


def _take_descriptors() -> None:
    """Take all the descriptors that the kernel lets us: a hung server costs each check many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
