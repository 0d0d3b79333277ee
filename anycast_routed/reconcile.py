"""The one reconcile path: observe, decide, announce. `apply` walks it once, the daemon for ever."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from anycast_routed import atomic, record
from anycast_routed.announce import transaction
from anycast_routed.announce.bird import BirdSpeaker
from anycast_routed.announce.render import Renderer
from anycast_routed.decide.compare import changes
from anycast_routed.decide.health import decided, step
from anycast_routed.decide.plan import plan
from anycast_routed.errors import AnycastRoutedError, ConfigError, RouterUnavailableError
from anycast_routed.model import CheckResult, Health, Observed, Outcome
from anycast_routed.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config, Service
    from anycast_routed.decide.compare import Change
    from anycast_routed.model import Plan, Readback

_SOCKETS = 20  # at most, that one check holds open
_OTHER_FILES = 64  # descriptors that are not for checks
_MOST_UNKNOWN = 3  # checks that cannot run, before one pass gives up on a verdict


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be, beside what is: a plan, and the router's word before it."""

    plan: Plan
    before: Readback
    changes: tuple[Change, ...]


def choose_speaker(config: Config) -> Speaker:
    """Return the router that the config names, or the one that is running here.

    Raises:
        RouterUnavailableError: `auto`, and neither runs.
        ConfigError: `auto`, and both run.
    """
    match _which(config):
        case "bird":
            return _bird(config)
        case "frr":
            from anycast_routed.announce.frr import FrrSpeaker  # noqa: PLC0415 - or BIRD, not both

            file = config.daemon.run_dir / "frr.conf"
            return FrrSpeaker(config.router.vty_dir, config.router.vtysh, file)


def _bird(config: Config) -> BirdSpeaker:
    router = config.router
    return BirdSpeaker(router.control_socket, router.include_file, router.config_file)


def _which(config: Config) -> Literal["bird", "frr"]:
    router = config.router
    if router.daemon != "auto":
        return router.daemon
    has_bird = router.control_socket.exists()
    has_frr = (router.vty_dir / "bgpd.vty").exists()
    if has_bird and has_frr:
        message = "router.daemon: both BIRD and FRR run here"
        raise ConfigError(message, hint='say which one: "bird" or "frr" (or --router)')
    if not has_bird and not has_frr:
        sought = f"neither {router.control_socket} nor {router.vty_dir}/bgpd.vty exists"
        message = f"no router runs here: {sought}"
        hint = "see: systemctl status bird frr; or name it with --router"
        raise RouterUnavailableError(message, hint=hint)
    return "bird" if has_bird else "frr"


def recall(config: Config, speaker: Speaker) -> Record:
    """Return what the last run left, or an empty record at the first run of a boot.

    At the first run of a boot, and after a restart of a router that keeps its own config,
    whatever it announces of ours rests on no verdict: it is withdrawn before
    anything is probed. Where the record is lost, that is so as well.
    """
    known = record.load(config.daemon.run_dir)
    router = f"{speaker.name} {speaker.incarnation()}".strip()
    if known is not None and known.router == router:
        return known
    if speaker.incarnation():
        transaction.withdraw_all(speaker)
    return Record(record.this_boot(), router, known.health if known else {})


def observe(
    config: Config, health: Mapping[str, Health]
) -> tuple[Observed, dict[str, tuple[CheckResult, ...]]]:
    """Probe every service until its verdict is decided, and read this host's addresses.

    Returns the facts, and for each service the results of its checks in their order.
    """
    results = asyncio.run(_probe_all(config, health))
    observed = facts(config, {name: one for name, (one, _) in results.items()})
    return observed, {name: tuple(seen) for name, (_, seen) in results.items()}


def check_once(services: Sequence[Service]) -> dict[str, CheckResult]:
    """Ask each service's question once, all at the same time; by service name."""
    from anycast_routed.observe import dns  # noqa: PLC0415 - only verbs that probe need it

    async def one(service: Service, at_once: asyncio.Semaphore) -> CheckResult:
        async with at_once:
            return await dns.check(service.dns)

    async def ask() -> list[CheckResult]:
        at_once = _at_once()
        return await asyncio.gather(*(one(service, at_once) for service in services))

    return dict(zip((service.name for service in services), asyncio.run(ask()), strict=True))


def facts(config: Config, health: Mapping[str, Health]) -> Observed:
    """Read this host's addresses beside verdicts that are known already."""
    from anycast_routed.observe import addresses  # noqa: PLC0415 - pyroute2 costs 160 ms

    known = {service.name: health.get(service.name, Health()) for service in config.services}
    host = addresses.read()
    return Observed(known, host.interfaces, host.addresses, host.down)


def wish(config: Config, speaker: Speaker, observed: Observed) -> Wish:
    """Decide, and compare with what the router has. Changes nothing."""
    decision = plan(config, observed)
    before = speaker.read()
    return Wish(decision, before, changes(decision, before))


def render(config: Config, speaker: Speaker, decision: Plan) -> str:
    """Return the router config of a plan; the file's own text where that is still the same."""
    renderer = Renderer(speaker.name, config.router.template_dir)
    return renderer.render(speaker.variables(decision), current=atomic.read(speaker.file))


def rehearse(config: Config, speaker: Speaker, wanted: Wish) -> str:
    """Render the wish and let the router's parser read it, as `announce` does before it loads."""
    transaction.refuse_foreign_neighbors(wanted.plan, wanted.before)
    text = render(config, speaker, wanted.plan)
    speaker.check(text)
    return text


def announce(config: Config, speaker: Speaker, wanted: Wish) -> transaction.Outcome:
    """Make the router do as wished, and prove it; see `transaction.bring` for the errors.

    A template that is broken does not stand between a dead service and its withdrawal.
    """
    try:
        text = render(config, speaker, wanted.plan)
    except AnycastRoutedError:
        transaction.withdraw_unplanned(speaker, wanted.plan, wanted.before)
        raise
    return transaction.bring(speaker, wanted.plan, text, wanted.before)


def leave_only_wanted(config: Config) -> None:
    """After the router could not be reached: BIRD must not come back with an old verdict.

    What is healthy stays in its file, since the router may be only slow, or back in a moment.
    """
    bird = _bird(config)
    if config.router.daemon == "frr" or atomic.read(bird.file) is None:
        return
    known = record.load(config.daemon.run_dir)
    observed, _ = observe(config, known.health if known else {})
    kept = frozenset(one.prefix for one in plan(config, observed).announcements)
    transaction.disarm(bird, kept)


async def _probe_all(
    config: Config, health: Mapping[str, Health]
) -> dict[str, tuple[Health, list[CheckResult]]]:
    at_once = _at_once()
    async with asyncio.TaskGroup() as group:
        tasks = {
            service.name: group.create_task(
                _probe(service, health.get(service.name, Health()), at_once)
            )
            for service in config.services
        }
    return {name: task.result() for name, task in tasks.items()}


def _at_once() -> asyncio.Semaphore:
    """As many checks at a time as have sockets enough: a hung server costs each of them many."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return asyncio.Semaphore(max(1, (soft - _OTHER_FILES) // _SOCKETS))


async def _probe(
    service: Service, health: Health, at_once: asyncio.Semaphore
) -> tuple[Health, list[CheckResult]]:
    """Check at `fast-interval` until the verdict is decided; bounded, should the server flap."""
    from anycast_routed.observe import dns  # noqa: PLC0415 - only verbs that probe need it

    rise, fall = service.dns.rise, service.dns.fall
    results: list[CheckResult] = []
    for _ in range(2 * (rise + fall)):
        async with at_once:
            results.append(await dns.check(service.dns))
        health = step(health, results[-1], rise=rise, fall=fall, at=time.monotonic())
        unknown = sum(result.outcome is Outcome.UNKNOWN for result in results)
        if decided(health) or unknown >= _MOST_UNKNOWN:
            break
        await asyncio.sleep(service.dns.fast_interval)
    return health, results
