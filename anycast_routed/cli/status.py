"""`status`: what is announced and why, once or as it changes."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.cli.targets import prefix as read_prefix
from anycast_routed.config import Daemon
from anycast_routed.errors import (
    AnycastRoutedError,
    ConfigError,
    Exit,
    RouterUnavailableError,
    UsageError,
)
from anycast_routed.reconcile.overview import Overview, look, of_daemon
from anycast_routed.state.documents import document

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Prefix

_LOOK_EVERY = 0.2  # seconds from one look at the daemon's status file to the next
_REDRAW_EVERY = 2.0  # seconds from one read-back to the next, where that file stays the same
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # ECMA-48 CUP and ED, which every terminal has; 3 is xterm's


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(status)


def status(
    context: typer.Context,
    prefix: Annotated[
        str | None, typer.Argument(metavar="PREFIX", help="Only this one; all by default.")
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show every change until Ctrl-C.")] = False,
) -> int:
    """Show what is announced, to whom, and why not.

    It is read back from the router, beside the verdicts of the daemon or of the last run. Probes
    nothing.
    """
    settings: Settings = context.obj
    wanted = None if prefix is None else read_prefix(prefix)
    if watch:
        return _watch(settings, wanted)
    try:
        config = settings.load()
        seen = look(config, wanted)
    except (ConfigError, RouterUnavailableError):
        settings.say(_of_daemon(settings))
        raise
    settings.emit("status", **seen.facts)
    settings.say(seen.lines)
    settings.talk(f"warning: {one}" for one in settings.exposed(config))
    return Exit.OK


def _watch(settings: Settings, wanted: Prefix | None) -> int:
    """Show what has changed, at once where the daemon tells it, until Ctrl-C."""
    on_terminal = sys.stdout.isatty() and not settings.json
    shown = None
    try:
        while True:
            config, block = _block(settings, wanted)
            if block != shown:
                print(f"{_CLEAR}{block}" if on_terminal else f"{block}\n", flush=True)
                shown = block
            _wait(config)
    except KeyboardInterrupt:
        return Exit.OK


def _block(settings: Settings, wanted: Prefix | None) -> tuple[Config | None, str]:
    """Return the config, and what is to be shown: what cannot be had is shown as what it is."""
    config = None
    try:
        config = settings.load()
        seen = look(config, wanted)
    except UsageError:
        raise
    except AnycastRoutedError as error:
        facts: dict[str, object] = {"error": error.message, "hint": error.hint}
        seen = Overview(facts, [*_of_daemon(settings), f"! {error.message}"])
    if settings.json:
        return config, json.dumps(document("status", **seen.facts), indent=2)
    return config, "\n".join(settings.coloured(seen.lines))


def _of_daemon(settings: Settings) -> list[str]:
    try:
        return of_daemon(settings.load().daemon.run_dir, refused=False)
    except ConfigError:
        return of_daemon(Daemon().run_dir, refused=True)


def _wait(config: Config | None) -> None:
    """Wait until the daemon has told something new, or it is time to ask the router again."""
    until = time.monotonic() + _REDRAW_EVERY
    before = _stamp(config) if config else None
    while time.monotonic() < until:
        time.sleep(_LOOK_EVERY)
        if config and _stamp(config) != before:
            return


def _stamp(config: Config) -> int:
    """Tell one version of the daemon's status file from the next; each is a new file."""
    try:
        return (config.daemon.run_dir / "status.json").stat().st_mtime_ns
    except OSError:
        return 0
