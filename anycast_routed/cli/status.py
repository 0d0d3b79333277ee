"""`status`: show what is announced and why, once or at every change."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.cli.targets import parse_prefix
from anycast_routed.config import Daemon
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    Exit,
    RouterUnavailableError,
    UsageError,
)
from anycast_routed.reconcile.overview import Overview, look, of_daemon
from anycast_routed.state import status_file
from anycast_routed.state.documents import document

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Prefix

_POLL_INTERVAL = 0.2  # seconds between two looks at the daemon's status file
_READBACK_INTERVAL = 2.0  # seconds between two read-backs while that file is unchanged
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # ECMA-48 CUP and ED; the argument 3 of ED is xterm's


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(status)


def status(
    context: typer.Context,
    prefix: Annotated[
        str | None, typer.Argument(metavar="PREFIX", help="Only this prefix; all by default.")
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show every change until Ctrl-C.")] = False,
) -> int:
    """Show what is announced, to which peers, and why the rest is not.

    Reads the router, and the verdicts of the daemon or of the last run. Probes nothing.
    """
    settings: Settings = context.obj
    wanted = None if prefix is None else parse_prefix(prefix)
    if watch:
        return _watch(settings, wanted)
    try:
        config = settings.load()
        seen = look(config, wanted)
    except (ConfigError, RouterUnavailableError):
        settings.say(_daemon_lines(settings))
        raise
    settings.emit("status", **seen.facts)
    settings.say(seen.lines)
    settings.report(settings.permission_findings(config))
    return Exit.OK if seen.confirmed else Exit.NOT_CONFIRMED


def _watch(settings: Settings, wanted: Prefix | None) -> int:
    """Print the status at every change until Ctrl-C; at once if the daemon reports the change."""
    on_terminal = sys.stdout.isatty() and not settings.json
    shown = None
    try:
        while True:
            config, output = _render(settings, wanted)
            if output != shown:
                print(f"{_CLEAR}{output}" if on_terminal else f"{output}\n", flush=True)
                shown = output
            _wait_for_change(config)
    except KeyboardInterrupt:
        return Exit.OK


def _render(settings: Settings, wanted: Prefix | None) -> tuple[Config | None, str]:
    """Return the config, if it can be loaded, and the text to show; an error becomes a line."""
    config = None
    try:
        config = settings.load()
        seen = look(config, wanted)
    except UsageError:
        raise
    except AnycastRoutedError as error:
        facts: dict[str, object] = {"error": error.message, "hint": error.hint}
        seen = Overview(facts, [*_daemon_lines(settings), f"! {error.message}"])
    if settings.json:
        return config, json.dumps(document("status", **seen.facts), indent=2)
    return config, "\n".join(settings.coloured(seen.lines))


def _daemon_lines(settings: Settings) -> list[str]:
    """Return what the daemon reports of itself, with or without a valid config file."""
    try:
        return of_daemon(settings.load().daemon.run_dir, refused=False)
    except ConfigError:
        return of_daemon(Daemon().run_dir, refused=True)


def _wait_for_change(config: Config | None) -> None:
    """Wait until the daemon writes its status file, or the next read-back is due."""
    until = time.monotonic() + _READBACK_INTERVAL
    before = status_file.version(config.daemon.run_dir) if config else None
    while time.monotonic() < until:
        time.sleep(_POLL_INTERVAL)
        if config and status_file.version(config.daemon.run_dir) != before:
            return
