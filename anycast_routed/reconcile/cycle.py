"""The one reconcile path: observe, decide, announce. `apply` walks it once, the daemon for ever."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, router_file, transaction
from anycast_routed.announce.confirm import PATIENT, Patience
from anycast_routed.announce.render import Renderer
from anycast_routed.config import password_files
from anycast_routed.decide.plan import plan
from anycast_routed.decide.proof import bearable, changes
from anycast_routed.errors import AnycastRoutedError, ConfigError
from anycast_routed.facts.facts import Facts
from anycast_routed.model import CheckResult, Held, Outcome
from anycast_routed.state import drain_orders, record
from anycast_routed.state.record import Record

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config, Service
    from anycast_routed.decide.proof import Change
    from anycast_routed.model import Observed, Plan, Prefix, Readback

_SOCKETS = 20  # at most, that one check holds open
_OTHER_FILES = 128  # descriptors that are not for checks
_NAMED = 5  # prefixes that a message names
_MOST_UNKNOWN = 3  # checks that cannot run, before one pass gives up on a verdict


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be, beside what is: a plan, and the router's word before it."""

    plan: Plan
    before: Readback
    changes: tuple[Change, ...]


def recall(config: Config, speaker: Speaker) -> Record:
    """Return what the last run left, or an empty record at the first run of a boot.

    At the first run of a boot, and after a restart of a router that keeps its own config,
    whatever it announces of ours rests on no verdict: it is withdrawn before
    anything is probed. Where the record is lost, that is so as well.
    """
    router_file.sweep(speaker)
    known, router = remembered(config), life(speaker)
    if known.router != router and speaker.incarnation():
        transaction.withdraw_all(speaker)
    return replace(known, router=router)


def life(speaker: Speaker) -> str:
    """Name the router and this life of it, as the record does."""
    return f"{speaker.name} {speaker.incarnation()}".strip()


def remembered(config: Config) -> Record:
    """Return what the last process of this boot has left, or an empty record."""
    return record.load(config.daemon.run_dir) or Record(record.this_boot(), "")


def observe(
    config: Config, known: Record, speaker: Speaker | None, *, drained: bool = True
) -> tuple[Facts, dict[str, tuple[CheckResult, ...]]]:
    """Probe every service until its verdict is decided, and read this host's addresses.

    Returns the facts, and for each service the results of its checks in their order.
    """
    found = facts(config, known, speaker, drained=drained)
    results = asyncio.run(_probe_all(found))
    return found, {name: tuple(seen) for name, seen in results.items()}


def check_once(services: Sequence[Service]) -> dict[str, CheckResult]:
    """Ask each service's question once, all at the same time; by service name."""
    from anycast_routed.observe.checks import dns  # noqa: PLC0415 - only verbs that probe need it

    async def one(service: Service, free: asyncio.Semaphore) -> CheckResult:
        async with free:
            return await dns.check(service.dns)

    async def ask() -> list[CheckResult]:
        free = at_once()
        return await asyncio.gather(*(one(service, free) for service in services))

    return dict(zip((service.name for service in services), asyncio.run(ask()), strict=True))


def facts(config: Config, known: Record, speaker: Speaker | None, *, drained: bool = True) -> Facts:
    """Read this host's addresses and what is drained, beside verdicts that are known already.

    `speaker` is asked what it holds where a drain depends on that; without one it holds nothing.
    Not `drained`: nothing is, whatever the orders.
    """
    from anycast_routed.observe import addresses  # noqa: PLC0415 - pyroute2 costs 160 ms

    found = Facts(config, known, addresses.read(), trusting=True)
    orders = drain_orders.load(config.daemon.state_dir, time.time()) if drained else ()
    if orders and speaker is not None:
        held = (route.prefix for route in speaker.read().originated)
        found.held = Held.of(held, plan(config, found.observed(time.monotonic())))
    found.order(orders, time.time())
    return found


def wish(config: Config, speaker: Speaker, observed: Observed) -> Wish:
    """Decide, and compare with what the router has. Changes nothing."""
    decision = plan(config, observed)
    before = speaker.read()
    return Wish(decision, before, changes(decision, before))


def shrunk(gone: Collection[Prefix], verb: str) -> ConfigError:
    """Return the refusal of a config that would withdraw most of what is announced."""
    named = ", ".join(sorted(map(str, gone))[:_NAMED])
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    message = f"the new config would withdraw most of what is announced: {named}{more}"
    return ConfigError(message, hint=f"if that is meant: anycast-routed {verb} --allow-shrink")


def render(config: Config, speaker: Speaker, decision: Plan) -> str:
    """Return the router config of a plan; the file's own text where that is still the same.

    It has every password of the config in clear. Whoever shows it masks it.

    Raises:
        UnreadPasswordsError: some of them cannot be had.
        ConfigError: the template is wrong.
    """
    password_files.needed(config)
    renderer = Renderer(speaker.name, config.router.template_dir)
    return renderer.render(speaker.variables(decision), current=router_file.read(speaker))


def rehearse(config: Config, speaker: Speaker, wanted: Wish) -> str:
    """Render the wish and let the router's parser read it, as `announce` does before it loads."""
    transaction.refuse_foreign_neighbors(wanted.plan, wanted.before)
    text = render(config, speaker, wanted.plan)
    speaker.check(text)
    return text


def announce(
    config: Config,
    speaker: Speaker,
    wanted: Wish,
    patience: Patience = PATIENT,
) -> transaction.Outcome:
    """Make the router do as wished, and prove it; see `transaction.bring`, also for the errors.

    A template that is broken, or a password that cannot be read, does not stand between a dead
    service and its withdrawal. One that would be lowered is withdrawn: only a load can lower it.
    """
    try:
        text = render(config, speaker, wanted.plan)
    except AnycastRoutedError:
        transaction.withdraw_unplanned(speaker, wanted.plan, wanted.before)
        raise
    return transaction.bring(speaker, wanted.plan, text, wanted.before, patience)


def leave_only_wanted(config: Config) -> None:
    """Probe, and `disarm`: what `apply` does when the router could not be reached."""
    if config.router.daemon == "frr":
        return
    bird = choose.bird(config)
    if router_file.read(bird) is None:
        router_file.refuse_odd(bird)
        return
    observed, _ = observe(config, remembered(config), None)
    disarm(config, plan(config, observed.observed(time.monotonic())))


def disarm(config: Config, decision: Plan) -> None:
    """After the router could not be reached: BIRD must not come back with an old verdict.

    What is healthy stays in its file, since the router may be only slow, or back in a moment.
    """
    if config.router.daemon != "frr":
        transaction.disarm(choose.bird(config), bearable(decision, ()))


def at_once() -> asyncio.Semaphore:
    """As many checks at a time as have sockets enough: a hung server costs each of them many."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return asyncio.Semaphore(max(1, (soft - _OTHER_FILES) // _SOCKETS))


async def _probe_all(found: Facts) -> dict[str, list[CheckResult]]:
    free = at_once()
    async with asyncio.TaskGroup() as group:
        tasks = {
            service.name: group.create_task(_probe(service, found, free))
            for service in found.config.services
        }
    return {name: task.result() for name, task in tasks.items()}


async def _probe(service: Service, found: Facts, free: asyncio.Semaphore) -> list[CheckResult]:
    """Check at `fast-interval` until the verdict is decided; bounded, should the server flap."""
    from anycast_routed.observe.checks import dns  # noqa: PLC0415 - only verbs that probe need it

    asked, name = service.dns, service.name
    results: list[CheckResult] = []
    for _ in range(2 * (asked.rise + asked.fall)):
        async with free:
            began = time.monotonic()
            results.append(await dns.check(asked))
        found.fold(name, asked, results[-1], began=began, at=time.monotonic())
        unknown = sum(result.outcome is Outcome.UNKNOWN for result in results)
        if found.settled(name) or unknown >= _MOST_UNKNOWN:
            break
        await asyncio.sleep(asked.fast_interval)
    return results
