"""`history`: show the changes that the router has confirmed, from the journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.cli.targets import canonical, meant_by
from anycast_routed.errors import Exit
from anycast_routed.report import text
from anycast_routed.state import journal

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.state.journal import Entry

_ALL = 1 << 20  # more entries than a journal can have
_MARKS = {"announced": "+", "withdrawn": "-", "changed": "~"}


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(history)


def history(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[SERVICE|PREFIX]", help="Only the changes of this one; all by default."
        ),
    ] = None,
    *,
    most: Annotated[
        int, typer.Option(min=1, metavar="N", help="Show only the last N changes.")
    ] = 50,
) -> int:
    """Show what has changed, when, why, and how long it took.

    The duration is from the first sign of the event to the router's confirmation.
    """
    settings: Settings = context.obj
    config = settings.load()
    wanted = None if target is None else canonical(target)
    all_entries = journal.load(config.daemon.state_dir, _ALL)
    entries = [one for one in all_entries if wanted in {None, one.service, one.prefix}][-most:]
    if wanted is not None and not entries:
        # A target with changes may have left the config; one without changes must be in it.
        meant_by(config, [wanted])
    settings.emit("history", changes=entries)
    settings.say(text.columns(_row(one) for one in entries))
    if not entries:
        settings.talk(["no change is on record; only the daemon records changes"])
    return Exit.OK


def _row(one: Entry) -> tuple[str, ...]:
    return (
        time.strftime("%F %T", time.localtime(one.at)),
        text.safe(f"{_MARKS.get(one.kind, ' ')} {one.prefix}"),
        text.safe(one.service),
        "" if one.seconds is None else text.duration(one.seconds),
        text.safe(one.why),
    )
