"""Look whether a client of an announced address gets an answer from this host.

What is found here is reported only: it withdraws nothing.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING

from anycast_routed.errors import HostUnreadableError
from anycast_routed.model import NOTHING_LISTENS, Code, Finding, Outcome
from anycast_routed.observe import route_lookup
from anycast_routed.reconcile import probe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anycast_routed.config import Config, Dns
    from anycast_routed.model import Announcement, CheckResult, Plan

MOST_ASKED = 64
"""The most addresses that one look asks."""
_NAMED = 3
"""The most prefixes of one service that each have a finding of their own."""
_LOCALHOST = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}
_UNHEARD = (
    "ask it from a client: the server may be set to ignore this host, or a packet filter drops "
    "the question"
)
_ABSENT = (
    "the address is not on this host, so no DNS server here answers on it",
    "if the DNS server is on this host: give the address to lo, and let the server listen on it",
)


def look(config: Config, plan: Plan) -> tuple[Finding, ...]:
    """Look once, from a program without an event loop; see `look_from`."""
    return asyncio.run(look_from(config, plan))


async def look_from(config: Config, plan: Plan, start: int = 0) -> tuple[Finding, ...]:
    """Report the announced addresses that are not on this host, or where nothing answers DNS.

    The question is that of the service's check, and any reply counts, even a refusal: a server may
    refuse this host and no other. Only what the kernel delivers here is asked: another host could
    answer otherwise. At most 64 addresses are asked, from the number `start` on.
    """
    checks = {service.name: service.dns for service in config.services}
    # A prefix that is lowered belongs to a service that is down or drained. A newer config may have
    # other services than the plan.
    announced = [one for one in plan.announcements if not one.note and one.service in checks]
    try:
        here = route_lookup.local(one.prefix.network_address for one in announced)
    except HostUnreadableError:
        return ()
    local = [one for one in announced if one.prefix.network_address in here]
    begin = start % len(local) if local else 0
    asked = [*local[begin:], *local[:begin]][:MOST_ASKED]
    absent = {one: _ABSENT for one in announced if one.prefix.network_address not in here}
    other = [one for one in asked if one.prefix.network_address != checks[one.service].ip]
    refused, unheard = await _silent(checks, other)
    return (
        *_findings(Code.NOT_ON_HOST, absent),
        *_findings(Code.NOT_ANSWERED, refused),
        *_findings(Code.NOT_ANSWERED, unheard),
    )


async def _silent(
    checks: Mapping[str, Dns], asked: Sequence[Announcement]
) -> tuple[dict[Announcement, tuple[str, str]], dict[Announcement, tuple[str, str]]]:
    """Return where nothing listens, and where no reply comes, each with its detail and fix."""
    results = await _ask(checks, asked)
    refused = {
        one: (
            f"nothing answers DNS on the address: {result.reason}",
            f"let the DNS server listen on this address too, beside {checks[one.service].ip}",
        )
        for one, result in results.items()
        if _is_refused(result)
    }
    silent = [
        one
        for one, result in results.items()
        if result.outcome is Outcome.FAIL and not (result.rcode or one in refused)
    ]
    again = await _ask(checks, silent, from_localhost=True)
    unheard = {
        one: (f"a question from this host got no answer: {results[one].reason}", _UNHEARD)
        for one, result in again.items()
        if not result.rcode
    }
    return refused, unheard


async def _ask(
    checks: Mapping[str, Dns], asked: Sequence[Announcement], *, from_localhost: bool = False
) -> dict[Announcement, CheckResult]:
    """Ask at each address.

    The kernel gives a question to an address of this host that address as its source, which the
    server's access list need not have. Localhost is nearly always in it.
    """
    slots = probe.check_slots()
    probed = await asyncio.gather(
        *(
            probe.probe(
                checks[one.service].model_copy(update={"ip": one.prefix.network_address}),
                slots,
                _LOCALHOST[one.prefix.version] if from_localhost else None,
            )
            for one in asked
        )
    )
    return {one: done.result for one, done in zip(asked, probed, strict=True)}


def _is_refused(result: CheckResult) -> bool:
    return result.outcome is Outcome.FAIL and NOTHING_LISTENS in result.reason


def _findings(code: Code, found: Mapping[Announcement, tuple[str, str]]) -> list[Finding]:
    """Return a finding for each prefix, or one for a service that has many."""
    services: dict[str, list[Announcement]] = {}
    for one in found:
        services.setdefault(one.service, []).append(one)
    made = []
    for service, listed in services.items():
        detail, fix = found[listed[0]]
        if len(listed) > _NAMED:
            about = f"service {service}"
            detail = f"{listed[0].prefix} and {len(listed) - 1} more: {detail}"
            made.append(Finding(code, about, detail, fix))
        else:
            made += [Finding(code, str(one.prefix), *found[one]) for one in listed]
    return made
