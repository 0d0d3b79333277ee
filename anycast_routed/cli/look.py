"""The verbs that only look: check, scan, render, validate, status, explain, config schema."""

from __future__ import annotations

import json
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed import reconcile, record
from anycast_routed.decide.candidates import No, candidates
from anycast_routed.decide.compare import faults
from anycast_routed.decide.plan import next_hops
from anycast_routed.decide.plan import plan as decide
from anycast_routed.errors import AnycastRoutedError, Exit, UsageError
from anycast_routed.model import Health, Outcome, Verdict
from anycast_routed.report import text
from anycast_routed.report.document import plain
from anycast_routed.report.explain import explain as follow

if TYPE_CHECKING:
    from anycast_routed.cli.settings import Settings
    from anycast_routed.config import Config, Dns
    from anycast_routed.model import Observed, Plan, Prefix, Readback

schema_app = typer.Typer(help="The config file's format.", no_args_is_help=True)


class Assume(StrEnum):
    """What `render --assume` takes."""

    UP = "up"
    DOWN = "down"


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    for verb in (check, scan, render, validate, status, explain):
        app.command()(verb)
    schema_app.command("schema")(schema)
    app.add_typer(schema_app, name="config")


def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Services; all by default.")
    ] = None,
) -> int:
    """Run each check once and say what it saw; ends with 1 when one is down."""
    settings: Settings = context.obj
    config = settings.load()
    known = {service.name: service for service in config.services}
    for name in names or ():
        if name not in known:
            message = f"no service is named {text.safe(name)!r}"
            raise UsageError(message, hint=f"the config has: {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(config.services)
    results = reconcile.check_once(chosen)
    settings.emit("check", results={name: plain(result) for name, result in results.items()})
    settings.say(
        text.check_lines(
            (service.name, _question(service.dns), results[service.name]) for service in chosen
        )
    )
    passed = all(result.outcome is Outcome.PASS for result in results.values())
    return Exit.OK if passed else Exit.DOWN


def scan(context: typer.Context) -> int:
    """Show the labelled addresses and the next hops that this host has."""
    settings: Settings = context.obj
    config = settings.load()
    plan, observed = _assumed(config, Verdict.UP)
    found = next_hops(config, observed, candidates(config, observed))
    hops = {
        f"{service} IPv{family}": hop.detail if isinstance(hop, No) else str(hop)
        for (service, family), hop in found.items()
    }
    settings.emit(
        "scan",
        candidates=plan.announcements,
        withheld=plan.withheld,
        next_hops=hops,
        warnings=plan.warnings,
    )
    settings.say(text.announced_lines(plan))
    settings.say(text.change_lines(plan, ()))
    settings.say(
        text.columns(
            (f"  next hop of {service_and_family}", text.safe(hop))
            for service_and_family, hop in hops.items()
        )
    )
    settings.talk(f"warning: {warning}" for warning in plan.warnings)
    return Exit.OK


def render(
    context: typer.Context,
    *,
    assume: Annotated[
        Assume | None, typer.Option(help="Take every service as up or down; nothing is probed.")
    ] = None,
) -> int:
    """Print the router config that `apply` would install."""
    settings: Settings = context.obj
    config = settings.load()
    speaker = reconcile.choose_speaker(config)
    if assume is None:
        known = record.load(config.daemon.run_dir)
        observed, _ = reconcile.observe(config, known.health if known else {})
        plan = decide(config, observed)
    else:
        plan, _ = _assumed(config, Verdict.UP if assume is Assume.UP else Verdict.DOWN)
    rendered = reconcile.render(config, speaker, plan)
    settings.emit("render", router=speaker.name, file=str(speaker.file), text=rendered)
    settings.say([rendered.rstrip("\n")])
    return Exit.OK


def validate(context: typer.Context) -> int:
    """Check the config file only; every fault is named at once."""
    settings: Settings = context.obj
    config = settings.load()
    names = [service.name for service in config.services]
    peers = len(config.bgp.peers) if config.bgp else 0
    settings.emit("validate", services=names, peers=peers)
    settings.say([f"the config is valid: services {', '.join(names)}; {peers} BGP peers"])
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of the config file, for editors."""
    from anycast_routed.config.schema import schema as build  # noqa: PLC0415 - this verb only

    print(json.dumps(build(), indent=2))
    return Exit.OK


def status(
    context: typer.Context,
    prefix: Annotated[str | None, typer.Argument(metavar="PREFIX")] = None,
) -> int:
    """Show what is announced, to whom, and why, read back from the router. Probes nothing."""
    settings: Settings = context.obj
    config = settings.load()
    wanted = None if prefix is None else _prefix(prefix)
    speaker = reconcile.choose_speaker(config)
    known = record.load(config.daemon.run_dir)
    observed = reconcile.facts(config, known.health if known else {})
    plan = _only(decide(config, observed), wanted)
    readback = speaker.read()
    found = tuple(f for f in faults(plan, readback) if wanted in (None, f.prefix))
    notes = speaker.notes()
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
    settings.say(_status_lines(plan, readback, observed, wanted))
    settings.say(text.trouble_lines(readback, found))
    settings.say(f"! {note}" for note in notes)
    settings.say([text.confirmation(readback, wanted)])
    return Exit.OK


def explain(context: typer.Context, prefix: str) -> int:
    """Follow one prefix from the check to each peer, to the first link that says no."""
    settings: Settings = context.obj
    wanted = _prefix(prefix)
    config = settings.load()
    known = record.load(config.daemon.run_dir)
    observed, _ = reconcile.observe(config, known.health if known else {})
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


def _assumed(config: Config, verdict: Verdict) -> tuple[Plan, Observed]:
    health = Health(verdict, reason=f"assumed {verdict}")
    observed = reconcile.facts(config, {service.name: health for service in config.services})
    return decide(config, observed), observed


def _question(dns: Dns) -> str:
    return f"{dns.query} {dns.rrtype} @{dns.ip} port {dns.port}"


def _status_lines(
    plan: Plan, readback: Readback, observed: Observed, wanted: Prefix | None
) -> list[str]:
    rows = []
    for route in readback.originated:
        if wanted in (None, route.prefix):
            peers = [
                str(peer)
                for peer, routes in readback.exported.items()
                if any(one.prefix == route.prefix for one in routes)
            ]
            facts = (f"LocalPref {route.local_pref}", f"next hop {route.next_hop}")
            rows.append((f"+ {route.prefix}", *facts, f"to {', '.join(peers) or 'no peer'}"))
    services = [
        f"  service {name}: {one.verdict} at the last run, {text.safe(one.reason)}"
        for name, one in observed.health.items()
        if wanted is None
    ]
    return services + text.columns(rows) + text.change_lines(plan, ())


def _only(plan: Plan, wanted: Prefix | None) -> Plan:
    if wanted is None:
        return plan
    from dataclasses import replace  # noqa: PLC0415 - one prefix only

    return replace(
        plan,
        announcements=tuple(a for a in plan.announcements if a.prefix == wanted),
        withheld=tuple(w for w in plan.withheld if w.prefix == wanted),
    )


def _prefix(given: str) -> Prefix:
    try:
        return ip_network(given)
    except ValueError:
        message = f"{text.safe(given)!r} is not a prefix"
        raise UsageError(message, hint="write it as 192.0.2.1/32 or 2001:db8::1/128") from None
