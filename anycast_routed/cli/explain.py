"""`explain`: show every step from the check to the peers for one prefix."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose, owner
from anycast_routed.cli.targets import parse_prefix
from anycast_routed.decide.origins import origin_findings, still_announced
from anycast_routed.decide.origins import wanted as wanted_by
from anycast_routed.decide.plan import plan as decide
from anycast_routed.decide.service_state import health_by_service
from anycast_routed.errors import AnycastRoutedError, Exit
from anycast_routed.reconcile import blackholes, cycle, last_known, probe
from anycast_routed.report import findings, text
from anycast_routed.report.explain import explain as explain_prefix
from anycast_routed.state import running_daemon

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Prefix, Readback


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command()(explain)


def explain(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="For example 192.0.2.1/32.")],
) -> int:
    """Follow one prefix from the check to each peer.

    Shows the first step that fails. The verdict is the daemon's; without a daemon, the check runs
    now.
    """
    settings: Settings = context.obj
    wanted = parse_prefix(prefix)
    config = settings.load()
    speaker, readback = _read_router(settings, config)
    observed = _observed(config, speaker)
    plan = decide(config, observed)
    if speaker is not None:
        plan = blackholes.as_recorded(config, speaker, plan)
    causes = _causes(wanted, speaker, readback)
    chain = explain_prefix(wanted, plan, health_by_service(observed.checks), readback, causes)
    others = speaker.origins([wanted]) if speaker is not None else ()
    settings.emit("explain", prefix=wanted, chain=chain, origins=others)
    marks = {True: "+", False: "!", None: " "}
    settings.say(text.columns((f"{marks[k.holds]} {k.name}", text.safe(k.fact)) for k in chain))
    first = next((step for step in chain if step.holds is False), None)
    settings.say(
        [f"{wanted} is announced" if first is None else f"the first step that fails: {first.name}"]
    )
    settings.say(findings.lines(origin_findings(wanted_by(plan), others)))
    settings.say(findings.lines(owner.finding(speaker) if speaker is not None else ()))
    return Exit.NOT_CONFIRMED if still_announced(wanted_by(plan), others) else Exit.OK


def _read_router(settings: Settings, config: Config) -> tuple[Speaker | None, Readback | None]:
    """Return the router and its read-back; warn and return None for both if it does not answer."""
    try:
        speaker = choose.choose(config)
        return speaker, speaker.read()
    except AnycastRoutedError as error:
        settings.talk([f"warning: {error.message}"])
        return None, None


def _causes(prefix: Prefix, speaker: Speaker | None, readback: Readback | None) -> dict[str, str]:
    """Return why the router does not export a prefix that it holds, by the name of the session."""
    if speaker is None or readback is None:
        return {}
    if all(route.prefix != prefix for route in readback.originated):
        return {}
    return {
        session.name: speaker.cause(session.name, prefix)[0]
        for session in readback.sessions
        if session.established
        and all(route.prefix != prefix for route in readback.exported.get(session.name, ()))
    }


def _observed(config: Config, speaker: Speaker | None) -> Observed:
    """Return what the daemon knows; without a daemon, the results of checks that run now."""
    if running_daemon.said(config.daemon.run_dir) is not None:
        return last_known.observed(config, speaker)[0]
    facts, _ = probe.observe(config, cycle.remembered(config), speaker)
    return facts.observed(time.monotonic())
