"""The whole chain for one prefix, from its source to each peer, with the first step that fails."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.decide.attribute_words import words
from anycast_routed.decide.proof import heard
from anycast_routed.model import Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anycast_routed.model import Health, Plan, Prefix, Readback, Session, Withheld


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the chain: does it hold, and by which fact."""

    name: str
    holds: bool | None
    """None where an earlier step has made the question idle."""
    fact: str


def explain(
    prefix: Prefix,
    plan: Plan,
    health: Mapping[str, Health],
    readback: Readback | None,
    causes: Mapping[str, str],
) -> tuple[Step, ...]:
    """Follow one prefix; `readback` is None where the router does not answer.

    `causes` has, by the name of the session, why the router does not export the prefix there.
    """
    announcement = next((a for a in plan.announcements if a.prefix == prefix), None)
    withheld = next((w for w in plan.withheld if w.prefix == prefix), None)
    known = announcement or withheld
    if known is None:
        fact = f"neither a configured route nor a labelled address here gives {prefix}"
        return (Step("source", holds=False, fact=fact),)
    chain = [Step("source", holds=True, fact=f"{known.source} of service {known.service}")]
    check = _verdict(health, known.service)
    if announcement is None and withheld is not None:
        chain += _no(withheld, check)
    elif announcement is not None:
        fact = words(announcement.attributes)
        fact += f" ({announcement.note})" if announcement.note else ""
        # A service that is only lowered is no reason why the prefix is not announced: it is.
        chain += [
            replace(check, holds=check.holds or None),
            Step("plan", holds=True, fact=fact),
        ]
    return _until_no(chain, readback, prefix, causes)


def _no(withheld: Withheld, check: Step) -> list[Step]:
    """Give the steps up to the one that has decided: the operator's drain comes before a check."""
    match withheld.reason:
        case Reason.SERVICE_DOWN | Reason.SERVICE_UNDECIDED:
            return [check]
        case Reason.DRAINED:
            return [Step("drain", holds=False, fact=withheld.detail)]
        case Reason.DAMPED:
            return [check, Step("damping", holds=False, fact=withheld.detail)]
        case _:
            return [check, Step("plan", holds=False, fact=withheld.detail)]


def _verdict(health: Mapping[str, Health], service: str) -> Step:
    one = health[service]
    return Step("check", holds=one.verdict is Verdict.UP, fact=f"{one.verdict}: {one.reason}")


def _until_no(
    chain: list[Step], readback: Readback | None, prefix: Prefix, causes: Mapping[str, str]
) -> tuple[Step, ...]:
    if readback is None:
        return (*chain, Step("router", holds=False, fact="the router does not answer"))
    route = next((one for one in readback.originated if one.prefix == prefix), None)
    planned = all(step.holds is not False for step in chain)
    if route is None:
        fact = f"{readback.router} does not hold it"
        return (*chain, Step("router", holds=False if planned else None, fact=fact))
    fact = f"{readback.router} holds it: {words(route.attributes)}"
    steps = [*chain, Step("router", holds=planned, fact=fact)]
    if not readback.sessions:
        steps.append(Step("peer", holds=False, fact="the router has no BGP session"))
    brought = any(session.ours for session in readback.sessions)
    steps += [
        _peer(readback, session, prefix, causes)
        for session in readback.sessions
        if session.ours or not brought
    ]
    return tuple(steps)


def _peer(readback: Readback, session: Session, prefix: Prefix, causes: Mapping[str, str]) -> Step:
    name = f"peer {session.address}"
    if not session.established:
        return Step(name, holds=False, fact=f"session {session.name} is {session.state}")
    for route in readback.exported.get(session.name, ()):
        if route.prefix == prefix:
            fact = f"exported: {words(route.attributes)}"
            return Step(name, holds=True, fact=fact)
    if prefix in heard(readback):
        covered = all(route.prefix != prefix for r in readback.exported.values() for route in r)
        if covered or prefix.version not in session.families:
            why = "an aggregate covers it" if covered else f"it carries no IPv{prefix.version}"
            return Step(name, holds=None, fact=f"session Established, not exported: {why}")
    why = causes.get(session.name) or "the router does not say why"
    return Step(name, holds=False, fact=f"session Established, but not exported: {why}")
