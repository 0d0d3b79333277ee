"""The verbs that show what is announced and why: status and explain."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed import atomic, reconcile, record
from anycast_routed.decide.compare import faults
from anycast_routed.decide.plan import plan as decide
from anycast_routed.errors import AnycastRoutedError, Exit, UsageError
from anycast_routed.model import Health
from anycast_routed.report import live, text
from anycast_routed.report.document import plain
from anycast_routed.report.explain import explain as follow

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.cli.settings import Settings
    from anycast_routed.config import Config
    from anycast_routed.model import Observed, Plan, Prefix, Readback


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    app.command()(status)
    app.command()(explain)


def status(
    context: typer.Context,
    prefix: Annotated[
        str | None, typer.Argument(metavar="PREFIX", help="Only this one; all by default.")
    ] = None,
) -> int:
    """Show what is announced, to whom, and why not.

    It is read back from the router, beside the verdicts of the last run. Probes nothing.
    """
    settings: Settings = context.obj
    config = settings.load()
    wanted = None if prefix is None else _prefix(prefix)
    speaker = reconcile.choose_speaker(config)
    known = record.load(config.daemon.run_dir)
    observed = _observed(config)
    whole = decide(config, observed)
    plan, readback = _only(whole, speaker.read(), wanted)
    found = tuple(f for f in faults(plan, readback) if wanted in (None, f.prefix))
    notes = [*speaker.notes(), *_drift(config, speaker, whole)] if known else [*speaker.notes()]
    settings.emit(
        "status",
        router=readback.router,
        health={name: plain(one) for name, one in observed.health.items()},
        announcements=plan.announcements,
        withheld=plan.withheld,
        originated=readback.originated,
        sessions=readback.sessions,
        exported={str(peer): plain(routes) for peer, routes in readback.exported.items()},
        faults=found,
        notes=notes,
    )
    settings.say(_lines(plan, readback, observed, wanted))
    settings.say(text.trouble_lines(readback, found))
    settings.say(f"! {note}" for note in notes)
    settings.say([text.confirmation(readback, wanted)])
    return Exit.OK


def explain(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="As in 192.0.2.1/32.")],
) -> int:
    """Follow one prefix from the check to each peer.

    Shows the first link that says no. The check is made anew.
    """
    settings: Settings = context.obj
    wanted = _prefix(prefix)
    config = settings.load()
    facts, _ = reconcile.observe(config, reconcile.remembered(config), None)
    observed = facts.observed(time.monotonic())
    try:
        readback = reconcile.choose_speaker(config).read()
    except AnycastRoutedError as error:
        settings.talk([f"warning: {error.message}"])
        readback = None
    chain = follow(wanted, decide(config, observed), observed.health, readback)
    settings.emit("explain", prefix=wanted, chain=chain)
    marks = {True: "+", False: "!", None: " "}
    settings.say(text.columns((f"{marks[k.holds]} {k.name}", text.safe(k.fact)) for k in chain))
    first = next((link for link in chain if link.holds is False), None)
    settings.say([f"{wanted} is announced" if first is None else f"the first no: {first.name}"])
    return Exit.OK


def _observed(config: Config) -> Observed:
    """Return what is known without a probe: by the running daemon, or by the last run."""
    facts = reconcile.facts(config, reconcile.remembered(config), None)
    observed, daemon = facts.observed(time.monotonic()), live.load(config.daemon.run_dir)
    if daemon is None:
        return observed
    return replace(observed, health=daemon.health, damped=daemon.damped, drains=daemon.drains)


def _drift(config: Config, speaker: Speaker, plan: Plan) -> list[str]:
    """Say where our part of the router's config is not what the next `apply` would leave."""
    wanted = reconcile.render(config, speaker, plan)
    if atomic.read(speaker.file) == wanted and speaker.is_loaded(wanted):
        return []
    return ["our part of the router's config is not as planned; the next apply puts it right"]


def _lines(plan: Plan, readback: Readback, observed: Observed, wanted: Prefix | None) -> list[str]:
    rows = [
        (
            f"+ {route.prefix}",
            f"LocalPref {route.local_pref}",
            f"next hop {route.next_hop}",
            f"to {', '.join(_peers(readback, route.prefix)) or 'no peer'}",
        )
        for route in readback.originated
    ]
    services = [f"  service {name}: {_verdict(one)}" for name, one in observed.health.items()]
    shown = services if wanted is None else []
    return shown + text.columns(rows) + text.change_lines(plan, ())


def _peers(readback: Readback, prefix: Prefix) -> list[str]:
    return [
        str(peer)
        for peer, routes in readback.exported.items()
        if any(route.prefix == prefix for route in routes)
    ]


def _verdict(health: Health) -> str:
    if health == Health():
        return "not checked since the boot"
    return f"{health.verdict} at the last run, {text.safe(health.reason)}"


def _only(plan: Plan, readback: Readback, wanted: Prefix | None) -> tuple[Plan, Readback]:
    """Leave one prefix in both, or all."""
    if wanted is None:
        return plan, readback
    planned = [a.prefix for a in plan.announcements] + [w.prefix for w in plan.withheld]
    known = dict.fromkeys([*planned, *(route.prefix for route in readback.originated)])
    if wanted not in known:
        names = ", ".join(str(prefix) for prefix in known if prefix) or "none"
        message = f"neither the config nor a label here gives {wanted}"
        raise UsageError(message, hint=f"there are: {names}")
    one_plan = replace(
        plan,
        announcements=tuple(a for a in plan.announcements if a.prefix == wanted),
        withheld=tuple(w for w in plan.withheld if w.prefix == wanted),
    )
    one_readback = replace(
        readback,
        originated=tuple(r for r in readback.originated if r.prefix == wanted),
        exported={
            peer: tuple(r for r in routes if r.prefix == wanted)
            for peer, routes in readback.exported.items()
        },
    )
    return one_plan, one_readback


def _prefix(given: str) -> Prefix:
    try:
        return ip_network(given)
    except ValueError:
        message = f"{text.safe(given)!r} is not a prefix"
        raise UsageError(message, hint="write it as 192.0.2.1/32 or 2001:db8::1/128") from None
