"""`daemon`: run the supervisor in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from anycast_routed.cli import signals
from anycast_routed.config import password_files
from anycast_routed.errors import AnycastRoutedError, Exit
from anycast_routed.reconcile.once import withdrawing_if_untrusted
from anycast_routed.report.log import Level, Log
from anycast_routed.report.systemd import Notify
from anycast_routed.system.process_stat import seconds_since_start

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config


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
    from anycast_routed.supervisor.daemon import Supervisor  # noqa: PLC0415 - this verb only

    supervisor = Supervisor(load, path, log, Notify(os.environ))
    signals.call_on_stop(supervisor.stop)
    log.info("starting", config=path, after=seconds_since_start())
    with withdrawing_if_untrusted(config):
        try:
            # At the start, a missing password must not prevent the withdrawal of dead services.
            asyncio.run(supervisor.run(password_files.read(config), digest))
        except* AnycastRoutedError as errors:
            raise _first(errors) from None
    return Exit.OK


def _first(errors: BaseExceptionGroup[AnycastRoutedError]) -> AnycastRoutedError:
    """Return the first error of a group, however deep it is nested."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
