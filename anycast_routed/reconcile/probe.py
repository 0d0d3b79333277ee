"""Run checks: once, or until each verdict is decided; and gather the facts for a plan."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.decide.plan import plan
from anycast_routed.facts.facts import Facts
from anycast_routed.facts.verdicts import Recorded
from anycast_routed.model import CheckKey, CheckResult, Held, Outcome
from anycast_routed.state import drain_orders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config, Dns, Service
    from anycast_routed.model import Address
    from anycast_routed.state.drain_orders import Ordered
    from anycast_routed.state.record import Record

_SOCKETS = 20  # at most, that one check holds open
_OTHER_FILES = 128  # descriptors that are not for checks
_MOST_UNKNOWN = 3  # checks that could not run, after which one run gives up on a verdict


class Probed(NamedTuple):
    """One check that has run; times are monotonic seconds."""

    result: CheckResult
    began: float
    ended: float


async def probe(check: Dns, slots: asyncio.Semaphore, source: Address | None = None) -> Probed:
    """Run one check as soon as a slot is free, from the address `source` if it is given."""
    from anycast_routed.observe.checks import dns  # noqa: PLC0415 - only verbs that probe need it

    async with slots:
        began = time.monotonic()
        result = await dns.check(check, source)
    return Probed(result, began, time.monotonic())


def check_slots() -> asyncio.Semaphore:
    """Return as many slots as there are descriptors for: a hung server costs a check many."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return asyncio.Semaphore(max(1, (soft - _OTHER_FILES) // _SOCKETS))


def probe_once(services: Sequence[Service]) -> dict[CheckKey, CheckResult]:
    """Run each check of these services once, all at the same time."""
    checks = {
        CheckKey(one.name, name): check for one in services for name, check in one.checks.items()
    }

    async def run_all() -> list[Probed]:
        slots = check_slots()
        return await asyncio.gather(*(probe(check, slots) for check in checks.values()))

    results = (probed.result for probed in asyncio.run(run_all()))
    return dict(zip(checks, results, strict=True))


def observe(
    config: Config, known: Record, speaker: Speaker | None, *, force: bool = False
) -> tuple[Facts, dict[CheckKey, tuple[CheckResult, ...]]]:
    """Run each check until its verdict is decided, and read this host's addresses.

    With `force` a changed check decides without a trial. Returns the facts, and for each check its
    results, oldest first.

    Raises:
        UnknownError: the drain orders cannot be read.
    """
    orders = drain_orders.load(config.daemon.state_dir, time.time())
    facts = gather(config, replace(known, checks={}) if force else known, orders, speaker)
    return facts, decide_verdicts(facts)


def gather(
    config: Config, known: Record, orders: tuple[Ordered, ...], speaker: Speaker | None
) -> Facts:
    """Return the facts that need no check: recorded verdicts, drain orders, addresses.

    With orders the speaker is asked what it holds, since a drain depends on that; without a
    speaker it holds nothing.
    """
    from anycast_routed.observe import netlink_addresses  # noqa: PLC0415 - pyroute2 costs 160 ms

    facts = Facts(config, known, netlink_addresses.read(), Recorded.CONTINUED)
    if orders and speaker is not None:
        facts.held = Held.of(speaker.read(), plan(config, facts.observed(time.monotonic())))
    facts.order(orders, time.time())
    return facts


def decide_verdicts(facts: Facts) -> dict[CheckKey, tuple[CheckResult, ...]]:
    """Run each check of the facts' config until its verdict is decided; return all results.

    Of a changed check that does not pass, the old one is asked too: they are its results then.
    """
    checks: dict[CheckKey, list[Dns]] = {}
    for key, check in facts.verdicts.asked():
        checks.setdefault(key, []).insert(0, check)

    async def decide(
        key: CheckKey, of_key: list[Dns], slots: asyncio.Semaphore
    ) -> tuple[CheckResult, ...]:
        results: tuple[CheckResult, ...] = ()
        for check in of_key:
            if facts.verdicts.is_asked(key, check):
                results = await _decide_verdict(key, check, facts, slots)
        return results

    async def run_all() -> dict[CheckKey, asyncio.Task[tuple[CheckResult, ...]]]:
        slots = check_slots()
        async with asyncio.TaskGroup() as group:
            return {
                key: group.create_task(decide(key, of_key, slots)) for key, of_key in checks.items()
            }

    return {key: task.result() for key, task in asyncio.run(run_all()).items()}


async def _decide_verdict(
    key: CheckKey, check: Dns, facts: Facts, slots: asyncio.Semaphore
) -> tuple[CheckResult, ...]:
    """Check at `fast-interval` until the verdict is decided; bounded, in case the server flaps."""
    results: list[CheckResult] = []
    for _ in range(2 * (check.rise + check.fall)):
        probed = await probe(check, slots)
        results.append(probed.result)
        facts.fold(key, probed.result, began=probed.began, at=probed.ended, by=check)
        unknown = sum(result.outcome is Outcome.UNKNOWN for result in results)
        if facts.verdicts.settled(key, check) or unknown >= _MOST_UNKNOWN:
            break
        await asyncio.sleep(check.fast_interval)
    return tuple(results)
