"""`apply`, and `plan`, which says what it would change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose
from anycast_routed.announce.masking import difference
from anycast_routed.cli.options import since_start
from anycast_routed.config import password_files
from anycast_routed.errors import Exit, RouterUnavailableError
from anycast_routed.reconcile import cycle
from anycast_routed.reconcile.once import once, withdrawing_sick
from anycast_routed.report import text
from anycast_routed.state import running_daemon
from anycast_routed.state.documents import plain
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.model import CheckResult, Readback
    from anycast_routed.reconcile.once import Done


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    app.command()(apply)
    app.command()(plan)


def apply(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and load nothing.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the change of the router's config.")
    ] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="A new config may withdraw most of it.")
    ] = False,
) -> int:
    """Check, plan, load what differs, prove it."""
    settings: Settings = context.obj
    if dry_run:
        return _preview(settings, "apply", diff=diff, pending=Exit.OK)
    config, digest = settings.load_with_digest()
    with withdrawing_sick(config), running_daemon.alone(config.daemon.run_dir, "apply"):
        try:
            done = once(config, digest, allow_shrink=allow_shrink)
        except RouterUnavailableError:
            cycle.leave_only_wanted(config)
            raise
    seconds = {"confirmed": done.outcome.seconds, "total": since_start()}
    if settings.json:
        facts = _facts(done.wish, done.outcome.readback, done.results)
        changes, faults = done.wish.changes, done.outcome.faults
        settings.emit(
            "apply",
            changed=done.outcome.changed,
            changes=changes,
            **facts,
            faults=faults,
            seconds=seconds,
        )
    if diff:
        settings.say(difference(done.file, done.text_before, files.read(done.file)))
    _say_outcome(settings, done, seconds["total"])
    return done.code


def plan(
    context: typer.Context,
    *,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 2 when something would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the change of the router's config.")
    ] = False,
) -> int:
    """Say what `apply` would do. Changes nothing."""
    pending = Exit.CHANGE_PENDING if exit_code else Exit.OK
    return _preview(context.obj, "plan", diff=diff, pending=pending)


def _preview(settings: Settings, verb: str, *, diff: bool, pending: Exit) -> int:
    config, unknown = password_files.imagined(settings.load())
    settings.talk(f"warning: {one}" for one in unknown)
    speaker = choose.choose(config)
    found, results = cycle.observe(config, cycle.remembered(config), speaker)
    wish = cycle.wish(config, speaker, found.observed(time.monotonic()))
    wanted = cycle.rehearse(config, speaker, wish)
    before = files.read(speaker.file)
    # What would change of a password that is not known here is not known either.
    current = bool(unknown) or (before == wanted and speaker.is_loaded(wanted))
    changed = bool(wish.changes) or not current
    if settings.json:
        facts = _facts(wish, wish.before, results)
        settings.emit(verb, changed=changed, changes=wish.changes, **facts)
    if changed or not settings.quiet:
        settings.say(text.change_lines(wish.plan, wish.changes))
        settings.talk(f"warning: {warning}" for warning in wish.plan.warnings)
        if diff:
            settings.say(difference(speaker.file, before, wanted))
        settings.say(f"! {note}" for note in speaker.notes())
        settings.say([_summary(wish, changed=changed)])
    return pending if changed else Exit.OK


def _summary(wish: cycle.Wish, *, changed: bool) -> str:
    if wish.changes:
        return f"{len(wish.changes)} to change; nothing was written"
    if changed:
        return (
            "the prefixes are as planned, the router's config of ours is not; nothing was written"
        )
    return f"nothing to change: {text.confirmation(wish.before)}"


def _say_outcome(settings: Settings, done: Done, total: float) -> None:
    wish, outcome = done.wish, done.outcome
    blind = text.blind_lines({name: seen[-1] for name, seen in done.results.items()})
    if settings.quiet and not outcome.changed and not blind and done.code is Exit.OK:
        return
    settings.say(text.change_lines(wish.plan, wish.changes))
    settings.say([*blind, *text.trouble_lines(outcome.readback, outcome.faults, wish.plan)])
    settings.talk(f"warning: {warning}" for warning in wish.plan.warnings)
    if settings.verbose:
        settings.say(text.announced_lines(wish.plan))
    said = text.confirmation(outcome.readback)
    if outcome.changed and not wish.changes:
        settings.say(["~ our part of the router's config was put right"])
    if outcome.changed:
        took = f"confirmed in {text.duration(outcome.seconds)}, {text.duration(total)} in all"
    else:
        took = f"unchanged, {text.duration(total)} in all"
    settings.say([f"{said}; {took}"])


def _facts(
    wish: cycle.Wish, readback: Readback, results: dict[str, tuple[CheckResult, ...]]
) -> dict[str, object]:
    return {
        "router": readback.router,
        "announcements": wish.plan.announcements,
        "withheld": wish.plan.withheld,
        "warnings": wish.plan.warnings,
        "checks": {name: plain(seen[-1]) for name, seen in results.items()},
        "sessions": readback.sessions,
        "exported": {str(peer): plain(routes) for peer, routes in readback.exported.items()},
    }
