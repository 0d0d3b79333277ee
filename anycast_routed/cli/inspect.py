"""The verbs that show this host and the config: check, scan, render, validate, schema."""

from __future__ import annotations

import contextlib
import json
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from anycast_routed.announce import choose
from anycast_routed.announce.masking import masked
from anycast_routed.config import password_files
from anycast_routed.decide.candidates import No, candidates
from anycast_routed.decide.plan import next_hops
from anycast_routed.decide.plan import plan as decide
from anycast_routed.errors import Exit, HostError, UsageError
from anycast_routed.model import Outcome, Verdict
from anycast_routed.reconcile import answering, blackholes, cycle, probe
from anycast_routed.reconcile.assumed_plan import assumed
from anycast_routed.reconcile.rendering import render as render_plan
from anycast_routed.report import check_lines, plan_lines, text
from anycast_routed.state.documents import plain

if TYPE_CHECKING:
    from anycast_routed.cli.options import Settings
    from anycast_routed.config import Dns

schema_app = typer.Typer(help="The config file's format.", no_args_is_help=True)


class Assume(StrEnum):
    """The values of `render --assume`."""

    UP = "up"
    DOWN = "down"


def register(app: typer.Typer) -> None:
    """Add these verbs to the program."""
    for verb in (check, scan, render, validate):
        app.command()(verb)
    schema_app.command("schema")(schema)
    app.add_typer(schema_app, name="config")


def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Names of services; all by default.")
    ] = None,
) -> int:
    """Run each check once and print its result.

    The exit code is 1 if a service does not pass.
    """
    settings: Settings = context.obj
    config = settings.load()
    known = {service.name: service for service in config.services}
    for name in names or ():
        if name not in known:
            message = f"no service is named {text.safe(name)!r}"
            raise UsageError(message, hint=f"the config has: {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(config.services)
    results = {key.service: one for key, one in probe.probe_once(chosen).items()}
    settings.emit("check", results={name: plain(result) for name, result in results.items()})
    settings.say(
        check_lines.check_lines(
            (service.name, _question(service.dns), results[service.name]) for service in chosen
        )
    )
    passed = all(result.outcome is Outcome.PASS for result in results.values())
    return Exit.OK if passed else Exit.DOWN


def scan(context: typer.Context) -> int:
    """Show the labelled addresses and the next hops of this host."""
    settings: Settings = context.obj
    config = settings.load()
    plan, observed = assumed(config, Verdict.UP)
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
        warnings=[str(one) for one in plan.warnings],
    )
    settings.say(plan_lines.announced_lines(plan))
    settings.say(plan_lines.change_lines(plan, ()))
    settings.say(
        text.columns(
            (f"  next hop of {service_and_family}", text.safe(hop))
            for service_and_family, hop in hops.items()
        )
    )
    settings.report(plan.warnings)
    return Exit.OK


def render(
    context: typer.Context,
    *,
    assume: Annotated[
        Assume | None, typer.Option(help="Assume every service up or down; nothing is probed.")
    ] = None,
) -> int:
    """Print the router config that `apply` would install, with passwords as ********."""
    settings: Settings = context.obj
    config, unknown = password_files.imagined(settings.load())
    settings.report(unknown)
    speaker = choose.choose(config)
    if assume is None:
        facts, _ = probe.observe(config, cycle.remembered(config), speaker)
        plan = decide(config, facts.observed(time.monotonic()))
    else:
        plan, _ = assumed(config, Verdict.UP if assume is Assume.UP else Verdict.DOWN)
    plan = blackholes.as_recorded(config, speaker, plan)
    rendered = masked(render_plan(config, speaker, plan))
    settings.emit("render", router=speaker.name, file=str(speaker.file), text=rendered)
    settings.say([rendered.rstrip("\n")])
    return Exit.OK


def validate(context: typer.Context) -> int:
    """Check the config file and its password files; report every fault at once."""
    settings: Settings = context.obj
    config, unknown = password_files.imagined(settings.load())
    settings.report(settings.permission_findings(config))
    settings.report(unknown)
    settings.report(password_files.closed(config))
    with contextlib.suppress(HostError):
        # Without netlink the config can be valid all the same.
        settings.report(answering.look(config, assumed(config, Verdict.UP)[0]))
    names = [service.name for service in config.services]
    peers = len(config.bgp.peers) if config.bgp else 0
    settings.emit("validate", services=names, peers=peers)
    services = "service" if len(names) == 1 else "services"
    sessions = f"{peers} BGP peer" + ("" if peers == 1 else "s")
    settings.say([f"the config is valid: {services} {', '.join(names)}; {sessions}"])
    return Exit.OK


def schema() -> int:
    """Print the JSON Schema of the config file, for editors."""
    from anycast_routed.config.json_schema import schema as build  # noqa: PLC0415 - this verb only

    print(json.dumps(build(), indent=2))
    return Exit.OK


def _question(dns: Dns) -> str:
    """Return the query of a check and its server as one line."""
    return f"{dns.query} {dns.rrtype} @{dns.ip} port {dns.port}"
