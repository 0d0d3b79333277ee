"""`apply`: check, plan, load what differs, confirm it; and `plan`: only show the change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose, owner
from anycast_routed.announce.masking import difference
from anycast_routed.config import password_files
from anycast_routed.decide.altered_exports import altered_exports
from anycast_routed.decide.origins import origin_findings, still_announced, wanted
from anycast_routed.decide.proof import unheard
from anycast_routed.errors import Exit
from anycast_routed.reconcile.once import once, preview, withdrawing_if_untrusted
from anycast_routed.report import findings, plan_lines, text
from anycast_routed.state import running_daemon
from anycast_routed.state.documents import plain
from anycast_routed.system import files
from anycast_routed.system.process_stat import seconds_since_start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.cli.options import Settings
    from anycast_routed.model import CheckKey, CheckResult, Finding, Plan, Readback
    from anycast_routed.reconcile.once import Done, Preview


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    app.command()(apply)
    app.command()(plan)


def apply(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and load nothing.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the diff of the router's config.")
    ] = False,
    allow_shrink: Annotated[
        bool,
        typer.Option(
            "--allow-shrink", help="Accept a new config that withdraws most of what is announced."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Let changed checks decide at once, without a trial.")
    ] = False,
) -> int:
    """Run the checks, plan, load what differs, and confirm it at the router."""
    settings: Settings = context.obj
    if dry_run:
        return _preview(settings, "apply", diff=diff, pending=Exit.OK, force=force)
    config, digest = settings.load_with_digest()
    with withdrawing_if_untrusted(config), running_daemon.alone(config.daemon.run_dir, "apply"):
        done = once(config, digest, allow_shrink=allow_shrink, force=force)
    outcome = done.step.outcome
    seconds = {"confirmed": outcome.seconds, "total": seconds_since_start()}
    settings.emit(
        "apply",
        changed=outcome.changed,
        changes=done.step.changes,
        **_facts(done.step.plan, outcome.readback, done.results, _warned(done)),
        faults=outcome.faults,
        origins=done.step.origins,
        seconds=seconds,
    )
    if diff:
        settings.say(difference(done.file, done.text_before, files.read(done.file)))
    _say_outcome(settings, done, seconds["total"])
    return _exit_code(done)


def plan(
    context: typer.Context,
    *,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 2 if something would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the diff of the router's config.")
    ] = False,
) -> int:
    """Show what `apply` would do; change nothing."""
    pending = Exit.CHANGE_PENDING if exit_code else Exit.OK
    return _preview(context.obj, "plan", diff=diff, pending=pending)


def _preview(
    settings: Settings, verb: str, *, diff: bool, pending: Exit, force: bool = False
) -> int:
    """Print what would change; return `pending` if anything would."""
    config, unknown = password_files.imagined(settings.load())
    settings.report(unknown)
    speaker = choose.choose(config)
    seen = preview(config, speaker, force=force)
    before = files.read(speaker.file)
    # A password that cannot be read may have changed.
    current = bool(unknown) or (before == seen.text and speaker.is_loaded(seen.text))
    changed = bool(seen.changes) or not current
    facts = _facts(seen.plan, seen.before, seen.results, _warned(seen))
    settings.emit(verb, changed=changed, changes=seen.changes, **facts)
    if changed or not settings.quiet:
        settings.say(plan_lines.change_lines(seen.plan, seen.changes))
        settings.report((*seen.plan.warnings, *_warned(seen)))
        if diff:
            settings.say(difference(speaker.file, before, seen.text))
        settings.say(findings.lines([*owner.finding(speaker), *speaker.notes()]))
        settings.say([_summary(seen, changed=changed)])
    return pending if changed else Exit.OK


def _summary(seen: Preview, *, changed: bool) -> str:
    """Return the last line of a preview."""
    if seen.changes:
        return f"{len(seen.changes)} to change; nothing was written"
    if changed:
        return "prefixes unchanged; the router's config would change; nothing was written"
    return f"nothing to change: {plan_lines.confirmation(seen.before)}"


def _exit_code(done: Done) -> Exit:
    """Return 4 if some desired prefix reaches no peer although a session is up.

    Also if the router does not take a prefix at all, or announces one by other means that should
    be gone. Otherwise return 78 if a changed check fails, so that the old one still decides.
    """
    outcome = done.step.outcome
    missing = (
        outcome.absent
        or unheard(done.step.plan, outcome.readback)
        or still_announced(wanted(done.step.plan), done.step.origins)
    )
    return Exit.NOT_CONFIRMED if missing else Exit.CONFIG if done.trials else Exit.OK


def _say_outcome(settings: Settings, done: Done, total: float) -> None:
    step, outcome = done.step, done.step.outcome
    unknown = findings.of_results(_latest(done.results))
    if settings.quiet and not outcome.changed and not unknown and _exit_code(done) is Exit.OK:
        return
    settings.say(plan_lines.change_lines(step.plan, step.changes))
    found = findings.of_router(outcome.readback, outcome.faults, step.plan, refused=outcome.refused)
    found += altered_exports(
        step.plan, outcome.readback, [one.prefix for one in step.changes if one.before]
    )
    found += origin_findings(wanted(step.plan), step.origins)
    settings.say(findings.lines([*unknown, *done.trials, *found]))
    settings.report((*step.plan.warnings, *done.unanswered))
    if settings.verbose:
        settings.say(plan_lines.announced_lines(step.plan))
    if outcome.changed and not step.changes and not outcome.absent:
        settings.say(["~ prefixes unchanged; the router's config was corrected"])
    took = f"{text.duration(total)} in all"
    if outcome.changed:
        took = f"confirmed in {text.duration(outcome.seconds)}, {took}"
    else:
        took = f"unchanged, {took}"
    settings.say([f"{plan_lines.confirmation(outcome.readback)}; {took}"])


def _facts(
    plan: Plan,
    readback: Readback,
    results: Mapping[CheckKey, tuple[CheckResult, ...]],
    warned: tuple[Finding, ...],
) -> dict[str, object]:
    """Return what both verbs report in JSON."""
    return {
        "router": readback.router,
        "announcements": plan.announcements,
        "withheld": plan.withheld,
        "warnings": [str(one) for one in (*plan.warnings, *warned)],
        "checks": {name: plain(result) for name, result in _latest(results).items()},
        "sessions": readback.sessions,
        "exported": readback.exported_by_peer(),
    }


def _warned(seen: Done | Preview) -> tuple[Finding, ...]:
    return (*seen.trials, *seen.unanswered)


def _latest(results: Mapping[CheckKey, tuple[CheckResult, ...]]) -> dict[str, CheckResult]:
    """Return the last result of each service."""
    return {key.service: seen[-1] for key, seen in results.items()}
