"""`daemon`: the supervisor, in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import typer

from anycast_routed.cli.settings import since_start
from anycast_routed.config import locate
from anycast_routed.errors import AnycastRoutedError, Exit
from anycast_routed.report.log import Level, Log
from anycast_routed.report.systemd import Notify

if TYPE_CHECKING:
    from anycast_routed.cli.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(daemon)


def daemon(context: typer.Context) -> int:
    """Supervise in the foreground, until SIGTERM.

    Announces while healthy and withdraws within milliseconds. SIGHUP reloads the config.
    """
    settings: Settings = context.obj
    config = settings.load()
    log = Log(sys.stderr, most=Level.DEBUG if settings.verbose else Level.INFO)
    from anycast_routed.supervisor import Supervisor  # noqa: PLC0415 - this verb only

    supervisor = Supervisor(
        settings.load, locate(settings.config, os.environ), log, Notify(os.environ)
    )
    log.info("starting", config=locate(settings.config, os.environ), after=since_start())
    try:
        asyncio.run(supervisor.run(config))
    except* AnycastRoutedError as errors:
        raise _first(errors) from None
    return Exit.OK


def _first(errors: BaseExceptionGroup[AnycastRoutedError]) -> AnycastRoutedError:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
