"""The daemon: tasks that update the facts, and one loop that takes steps of the cycle.

The daemon holds the run directory's lock while it runs. It announces only on verdicts of its own:
what the record says, or the router still holds, stays only until there is a verdict.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import gc
import signal
import time
from typing import TYPE_CHECKING

from anycast_routed.announce import calls
from anycast_routed.errors import AnycastRoutedError, LockedError
from anycast_routed.facts.facts import Facts
from anycast_routed.model import Host
from anycast_routed.observe import netlink_addresses
from anycast_routed.reconcile import cycle
from anycast_routed.state import drain_orders, handover, status_file
from anycast_routed.supervisor.answering import Answering
from anycast_routed.supervisor.checks import Checks, pulsed_servers
from anycast_routed.supervisor.file_events import FileEvents
from anycast_routed.supervisor.host_findings import HostFindings
from anycast_routed.supervisor.reload import Reload
from anycast_routed.supervisor.reporter import Reporter
from anycast_routed.supervisor.router_loop import RouterLoop
from anycast_routed.system import directories, lock

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.config import Config
    from anycast_routed.observe.pulse import Senses
    from anycast_routed.report.log import Log
    from anycast_routed.report.systemd import Notify
    from anycast_routed.supervisor.first_checks import FirstChecks
    from anycast_routed.supervisor.reload import Load

# Python loads this codec when an unusual text first comes, and then there may be no descriptor.
codecs.lookup("unicode_escape")

_LOCK_WITHIN = 0.2  # seconds
_AGAIN = 1.0  # seconds until addresses that could not be read are tried again


class Supervisor:
    """One daemon. Constructing one does no I/O."""

    def __init__(
        self, load: Load, path: Path, log: Log, notify: Notify, first: FirstChecks
    ) -> None:
        self._load = load
        self._first = first
        self._path = path
        self._notify = notify
        self._wake = asyncio.Event()
        self._reporter = Reporter(log, notify, str(path), self._wake)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._restart_checks = asyncio.Event()
        """The checks must start anew: another config, or a server moved to or from this host."""
        self._addresses_known = asyncio.Event()
        self._first_step_taken = asyncio.Event()
        self._checks: Checks | None = None
        self._host_findings = HostFindings()

    def stop(self) -> None:
        """Stop, or do not start: for a caller that gets the signals until `run` takes them."""
        self._stop.set()

    async def run(self, config: Config, digest: str) -> None:
        """Supervise until SIGTERM or SIGINT, and then do as `daemon.on-stop` says.

        `digest` is that of the content that this config was read from.

        Raises:
            LockedError: another instance runs, or could run, since the run directory is gone.
            ConfigError: the drain orders cannot be read.
            UntrustedError: other users may write into the run or state directory.
            HostUnreadableError, AccessDeniedError: this host's addresses cannot be read.
            NotConfirmedError, RouterUnavailableError: the withdrawal at the end failed.
        """
        run_dir = config.daemon.run_dir
        # A command that only looks whether a daemon runs holds the lock for microseconds.
        with lock.hold(run_dir, "daemon", within=_LOCK_WITHIN) as self._lock:
            directories.refuse_shared(config.daemon.state_dir)
            self._facts = Facts(config, cycle.remembered(config), Host(frozenset(), ()))
            self._facts.digest = digest
            calls.watch(self._notify.progress)
            self._facts.order(drain_orders.load(config.daemon.state_dir, 0.0), time.time())
            self._loop = RouterLoop(self._facts, self._wake)
            self._answering = Answering(self._facts, self._wake)
            self._files = FileEvents(
                self._path, self._facts, self._reporter, self._wake, self._reload
            )
            self._configs = Reload(self._load, self._facts, self._loop, self._reporter)
            handover.clear(run_dir)
            try:
                await self._until_stopped()
            finally:
                await self._reporter.finish()
                if not self._lock.lost():  # Otherwise another daemon may have written there.
                    with contextlib.suppress(AnycastRoutedError):
                        status_file.forget(run_dir)

    async def _until_stopped(self) -> None:
        running = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            running.add_signal_handler(number, self._stop.set)
        running.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._reporter.begin(self._facts.config.daemon.state_dir)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work)
                for work in (
                    asyncio.to_thread(_import_for_the_first_step),
                    self._run_checks(),
                    self._watch_addresses(),
                    self._reconcile(),
                    self._watch_files(),
                    self._answering.run(),
                    self._configs.run(self._reload, self._notify, self._adopted, self._wake),
                )
            ]
            await self._stop.wait()
            self._notify.stopping()
            for task in tasks:
                task.cancel()
        daemon = self._facts.config.daemon
        keep = daemon.on_stop == "keep" or handover.marked(daemon.run_dir)
        self._reporter.log.info("stopping", announcements="kept" if keep else "withdrawn")
        await self._loop.stop(withdraw=not keep)

    async def _run_checks(self) -> None:
        """Run the checks of the config in force, and start them anew when that is needed."""
        while True:
            self._restart_checks.clear()
            self._checks = Checks(self._facts, self._wake, self._first)
            async with asyncio.TaskGroup() as group:
                checking = group.create_task(self._checks.run())
                await self._restart_checks.wait()
                checking.cancel()

    async def _watch_addresses(self) -> None:
        """Take each change of this host's addresses that the config reads."""
        while True:
            try:
                async with contextlib.aclosing(netlink_addresses.changes()) as hosts:
                    async for host in hosts:
                        self._reporter.problem("addresses", None)
                        self._take_addresses(host)
            except AnycastRoutedError as error:
                if not self._addresses_known.is_set():
                    raise
                # The last known addresses stay in force meanwhile.
                self._reporter.problem("addresses", error)
                await asyncio.sleep(_AGAIN)

    def _take_addresses(self, host: Host) -> None:
        asked, before = self._facts.verdicts.asked(), self._facts.host
        if self._facts.see(host) or not self._addresses_known.is_set():
            self._addresses_known.set()
            self._wake.set()
            if pulsed_servers(asked, self._facts.host) != pulsed_servers(asked, before):
                self._restart_checks.set()

    async def _reconcile(self) -> None:
        """Bring the router to the plan, and keep it there."""
        await self._addresses_known.wait()
        ready = False
        while True:
            self._refuse_lost_lock()
            begun = time.monotonic()
            self._facts.expire(time.time())
            done = await self._loop.once()
            self._first_step_taken.set()
            if not isinstance(done, AnycastRoutedError):
                self._answering.take(done.step.plan)
                self._host_findings.take(done.step.plan)
            on_host = self._host_findings.look(self._facts, time.monotonic())
            further = (*self._answering.findings, *on_host)
            self._reporter.stepped(done, self._facts, begun, further)
            self._reporter.write(self._facts, self._senses())
            self._notify.watchdog()
            if not ready:
                ready = True
                self._notify.ready()
                # All that is loaded now stays; from here on garbage is collected as usual.
                gc.freeze()
                gc.enable()
            await self._loop.sleep()

    def _refuse_lost_lock(self) -> None:
        if self._lock.lost():
            run_dir = self._facts.config.daemon.run_dir
            message = f"{run_dir} was replaced or deleted while the daemon ran"
            hint = "another daemon could start there; systemd restarts this one"
            raise LockedError(message, hint=hint)

    def _adopted(self, *, other_checks: bool) -> None:
        """Tell the tasks that another config is in force; checks continue where they can."""
        self._files.adopted()
        if other_checks:
            self._restart_checks.set()

    def _senses(self) -> dict[str, Senses]:
        return self._checks.senses() if self._checks else {}

    async def _watch_files(self) -> None:
        """Take each change of the watched files, once all modules are loaded."""
        await self._first_step_taken.wait()
        await asyncio.to_thread(_import_the_rest)
        await self._files.run()


def _import_for_the_first_step() -> None:
    """Import what the first step needs, while the first checks run."""
    from anycast_routed.announce import render  # noqa: PLC0415 - see above

    render.load()


def _import_the_rest() -> None:
    """Import all other modules, once the first prefixes are announced.

    All of them, because an upgrade may replace the program's files while the daemon runs.
    """
    from anycast_routed.announce.frr import speaker  # noqa: F401, PLC0415 - loading is the point
    from anycast_routed.observe import file_watch  # noqa: F401, PLC0415 - as above
