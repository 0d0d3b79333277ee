"""`daemon`: run the supervisor in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from anycast_routed.cli import signals
from anycast_routed.config import password_files
from anycast_routed.errors import AnycastRoutedError, Exit
from anycast_routed.report.log import Level, Log
from anycast_routed.report.systemd import Notify
from anycast_routed.system.process_stat import seconds_since_start

if TYPE_CHECKING:
    from pathlib import Path

    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.supervisor.daemon import Supervisor
    from anycast_routed.supervisor.reload import Load


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(daemon)


def daemon(context: typer.Context) -> int:
    """Supervise in the foreground, until SIGTERM.

    Announces while the service is healthy and withdraws within milliseconds. SIGHUP reloads the
    config.
    """
    given: Settings = context.obj
    # The path stays fixed while the daemon runs, even if a file appears at another default path.
    path = given.path().absolute()
    settings = replace(given, config=path)
    config, digest = settings.load_with_digest()

    def load() -> tuple[Config, str]:
        """Read the config and its password files; a missing password rejects the whole config."""
        found, of_content = settings.load_with_digest()
        complete = password_files.read(found)
        password_files.needed(complete)
        return complete, of_content

    log = Log(sys.stderr, most=Level.DEBUG if settings.verbose else Level.INFO)
    log.info("starting", config=path, after=seconds_since_start())
    try:
        # At the start, a missing password must not prevent the withdrawal of dead services.
        asyncio.run(_supervise(password_files.read(config), digest, load, path, log))
    except* AnycastRoutedError as errors:
        from anycast_routed.reconcile.once import withdrawing_if_untrusted  # noqa: PLC0415 - rare

        with withdrawing_if_untrusted(config):
            raise _first(errors) from None
    return Exit.OK


async def _supervise(config: Config, digest: str, load: Load, path: Path, log: Log) -> None:
    """Run the supervisor; it loads while the services are checked for the first time.

    Raises what `Supervisor.run` raises.
    """
    from anycast_routed.supervisor.first_checks import FirstChecks  # noqa: PLC0415 - this verb only

    async with asyncio.TaskGroup() as group:
        first = FirstChecks(config, group)
        try:
            loaded = await asyncio.to_thread(import_module, "anycast_routed.supervisor.daemon")
            supervisor: Supervisor = loaded.Supervisor(load, path, log, Notify(os.environ), first)
            signals.call_on_stop(supervisor.stop)
            await supervisor.run(config, digest)
        finally:
            first.cancel()


def _first(errors: BaseExceptionGroup[AnycastRoutedError]) -> AnycastRoutedError:
    """Return the first error of a group, however deep it is nested."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
