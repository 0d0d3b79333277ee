"""`daemon`: the supervisor, in the foreground; and the verbs that speak to one that runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.cli import signals
from anycast_routed.cli.drain import duration
from anycast_routed.cli.options import since_start
from anycast_routed.cli.withdraw import config_or_defaults, withdraw_all
from anycast_routed.config import password_files
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    Exit,
    LockedError,
    NotConfirmedError,
    UsageError,
)
from anycast_routed.reconcile.once import withdrawing_if_untrusted
from anycast_routed.report.log import Level, Log
from anycast_routed.report.systemd import Notify
from anycast_routed.report.text import printable, safe
from anycast_routed.state import handover as mark
from anycast_routed.state import running_daemon, status_file
from anycast_routed.system import files, lock
from anycast_routed.system.directories import UntrustedError

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config

_TAKEN_WITHIN = 5.0  # seconds for the daemon to take a config
_SETTLED = 4.0  # seconds after which a problem that was there before must be there again
_EVERY = 0.05  # seconds from one look to the next
_LONGEST_HANDOVER = 600.0  # seconds


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    app.command()(daemon)
    app.command()(reload)
    app.command()(handover)


def daemon(context: typer.Context) -> int:
    """Supervise in the foreground, until SIGTERM.

    Announces while healthy and withdraws within milliseconds. SIGHUP reloads the config.
    """
    given: Settings = context.obj
    # Where the file is does not change while we run, whatever file appears in another place.
    path = given.path().absolute()
    settings = replace(given, config=path)
    config, digest = settings.load_with_digest()

    def load() -> tuple[Config, str]:
        """Read all that is to be taken together: a password that is missing refuses the rest."""
        found, of_content = settings.load_with_digest()
        whole = password_files.read(found)
        password_files.needed(whole)
        return whole, of_content

    log = Log(sys.stderr, most=Level.DEBUG if settings.verbose else Level.INFO)
    from anycast_routed.supervisor.daemon import Supervisor  # noqa: PLC0415 - this verb only

    supervisor = Supervisor(load, path, log, Notify(os.environ))
    signals.then(supervisor.stop)
    log.info("starting", config=path, after=since_start())
    with withdrawing_if_untrusted(config):
        try:
            # At the start one that is missing keeps nobody from withdrawing what is dead.
            asyncio.run(supervisor.run(password_files.read(config), digest))
        except* AnycastRoutedError as errors:
            raise _first(errors) from None
    return Exit.OK


def _first(errors: BaseExceptionGroup[AnycastRoutedError]) -> AnycastRoutedError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def reload(
    context: typer.Context,
    *,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="The config may withdraw most of it.")
    ] = False,
) -> int:
    """Make the daemon take the config file, and wait until it has.

    It does so by itself when the file changes. Here a broken file is named with all its faults,
    and the daemon is left alone.
    """
    settings: Settings = context.obj
    config, digest = settings.load_with_digest()
    run_dir = config.daemon.run_dir
    running_daemon.must(run_dir)
    before = running_daemon.said(run_dir)
    _refuse_other_file(settings, before)
    allowance = run_dir / "allow-shrink"
    if allow_shrink:
        files.write(allowance, digest, durable=False)
    try:
        daemon = running_daemon.hang_up(run_dir)
        _wait_until_taken(run_dir, digest, before)
    finally:
        # It is for this reload only, should the same content come again one day.
        files.remove(allowance)
    settings.emit("reload", pid=daemon, config=str(settings.path()), digest=digest)
    settings.say([f"the daemon, PID {daemon}, has taken {settings.path()}"])
    return Exit.OK


def _refuse_other_file(settings: Settings, said: status_file.Live | None) -> None:
    """Refuse to judge by one file what the daemon does with another."""
    theirs = Path(said.config) if said else settings.path().absolute()
    if theirs != settings.path().absolute():
        # What a file of the daemon's says is no command for root to copy.
        message = f"the daemon's config file is {safe(str(theirs))}, not {settings.path()}"
        raise UsageError(message, hint="name it with --config, if that is the one")


def _wait_until_taken(run_dir: Path, digest: str, before: status_file.Live | None) -> None:
    """Wait until the daemon has taken the config of this digest.

    Raises:
        ConfigError: it refuses it.
        NotConfirmedError: it has done neither in time.
    """
    begun = time.monotonic()
    old = before.problems.get("config") if before else None
    while (waited := time.monotonic() - begun) < _TAKEN_WITHIN:
        time.sleep(_EVERY)
        said = running_daemon.said(run_dir)
        problem = said.problems.get("config") if said else None
        if said is not None and problem is None and said.digest == digest:
            return
        if problem is not None and (problem != old or waited > _SETTLED):
            message = f"the daemon keeps its old config: {printable(problem)}"
            hint = "if most of it is to be withdrawn: anycast-routed reload --allow-shrink"
            raise ConfigError(message, hint=hint if "withdraw most" in problem else "")
    message = f"the daemon has not taken the config within {_TAKEN_WITHIN:g} s"
    raise NotConfirmedError(message, hint="see: journalctl -u anycast-routed")


def handover(
    context: typer.Context,
    *,
    within: Annotated[
        str, typer.Option(metavar="30s", help="When nobody has taken over, withdraw.")
    ] = "30s",
) -> int:
    """Let the daemon keep its announcements when it stops, for a successor to take over.

    Waits for that one: start it, restart the daemon meanwhile.
    """
    settings: Settings = context.obj
    config = config_or_defaults(settings)
    run_dir = config.daemon.run_dir
    seconds = duration("--within", within, 1.0, _LONGEST_HANDOVER)
    old = running_daemon.must(run_dir)
    ended: list[int] = []
    # Whoever ends us ends the waiting, and what comes after it is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: ended.append(got))
    mark.mark(run_dir, seconds)
    Notify(os.environ).ready()
    settings.talk([f"within {within}: systemctl restart anycast-routed"])
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not ended:
        time.sleep(_EVERY)
        said = status_file.load(run_dir)
        # The lock is looked at only then: a look could be in the way of one that begins.
        if said is not None and said.pid != old and running_daemon.pid(run_dir) == said.pid:
            break
    new = _holder(settings, config, within)
    if new == old:
        mark.clear(run_dir)
        settings.say([f"the daemon, PID {old}, was not restarted, and goes on as before"])
    else:
        settings.say([f"the daemon, PID {new}, has taken over"])
    settings.emit("handover", before=old, after=new)
    return Exit.OK


def _holder(settings: Settings, config: Config, within: str) -> int:
    """Return the PID of the daemon that runs now. Where none does, withdraw everything.

    Raises:
        NotConfirmedError: nobody has taken over.
        LockedError: it is no daemon who is at work.
    """
    run_dir = config.daemon.run_dir
    with contextlib.ExitStack() as held:
        try:
            # The lock decides, and keeps out one that would begin just now.
            held.enter_context(lock.hold(run_dir, "handover"))
        except LockedError:
            if (daemon := running_daemon.pid(run_dir)) is not None:
                return daemon
            raise
        except UntrustedError as error:
            settings.talk([f"warning: going on without the lock: {error.message}"])
        with contextlib.suppress(AnycastRoutedError):
            mark.clear(run_dir)
        gone, _ = withdraw_all(config)
    settings.say(f"- {prefix}" for prefix in gone)
    message = f"nobody has taken over within {within}, so everything was withdrawn"
    raise NotConfirmedError(message, hint="systemctl status anycast-routed")
