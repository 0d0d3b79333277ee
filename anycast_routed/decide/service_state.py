"""Decide the state of a service: announced as configured, lowered, or withheld. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anycast_routed.decide.candidates import No
from anycast_routed.model import CheckKey, Health, Reason, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anycast_routed.config import Service
    from anycast_routed.model import Drain, Observed, Prefix


_WORST_FIRST = (Verdict.DOWN, Verdict.UNKNOWN, Verdict.UP)


@dataclass(frozen=True, slots=True)
class Lowered:
    """Announced with this LocalPref at most, and why."""

    local_pref: int
    note: str
    graceful_shutdown: bool = False


def lowered(own: int, links: Iterable[No | Lowered | None]) -> Lowered:
    """Return the lowest LocalPref of these and the prefix's own; the notes are joined."""
    given = [link for link in links if isinstance(link, Lowered)]
    return Lowered(
        min([own, *(one.local_pref for one in given)]),
        "; ".join(one.note for one in given),
        any(one.graceful_shutdown for one in given),
    )


def combined(healths: Iterable[Health]) -> Health:
    """Combine the healths of the checks of one service: the worst one stands for all.

    A service is UP only while every check is UP; DOWN comes before UNKNOWN. It has ever been up
    only if each of its checks has. Without any check the health is the unchecked one.
    """
    known = tuple(healths)
    worst = next(
        (one for verdict in _WORST_FIRST for one in known if one.verdict is verdict), Health()
    )
    return replace(worst, ever_up=bool(known) and all(one.ever_up for one in known))


def health_by_service(checks: Mapping[CheckKey, Health]) -> dict[str, Health]:
    """Return the combined health of each service, in the order of the checks."""
    by_service: dict[str, list[Health]] = {}
    for key, health in checks.items():
        by_service.setdefault(key.service, []).append(health)
    return {service: combined(healths) for service, healths in by_service.items()}


def standing(service: Service, observed: Observed) -> No | Lowered | None:
    """Return how its check and its flapping restrict a service; None if they do not.

    With `on-fail = "lower"` both only lower a service that has been up. A service that has never
    been up is withheld: nothing proves that it can answer at all.
    """
    health = combined(
        observed.checks.get(CheckKey(service.name, name), Health()) for name in service.checks
    )
    no = _verdict(service, health) or _damped(service, observed)
    was_up = health.verdict is Verdict.UP or (health.verdict is Verdict.DOWN and health.ever_up)
    if no is None or service.dns.on_fail != "lower" or not was_up:
        return no
    return Lowered(service.anycast.floor, f"lowered: {no.detail}")


def drained(service: str, prefix: Prefix, observed: Observed) -> No | Lowered | None:
    """Return how drains restrict one prefix; the drain that has come further wins."""
    if not observed.drains:
        return None
    found = {name: observed.drains.get(name) for name in (service, str(prefix))}
    drains = {name: drain for name, drain in found.items() if drain is not None}
    for name, drain in drains.items():
        if drain.stage is Stage.OUT:
            return No(Reason.DRAINED, drain_sentence(f"{name} is drained", drain))
    for drain in drains.values():
        return Lowered(0, drain_sentence("draining", drain), graceful_shutdown=True)
    return None


def _verdict(service: Service, health: Health) -> No | None:
    match health.verdict:
        case Verdict.UP:
            return None
        case Verdict.DOWN if health.passes:
            so_far = f"{health.passes} of the {service.dns.rise} passes in a row that it needs"
            detail = f"{service.name} is down, with {so_far}: {health.reason}"
            return No(Reason.SERVICE_DOWN, detail)
        case Verdict.DOWN:
            return No(Reason.SERVICE_DOWN, f"{service.name} is down: {health.reason}")
        case Verdict.UNKNOWN:
            detail = f"{service.name} is not decided yet: {health.reason}"
            return No(Reason.SERVICE_UNDECIDED, detail)


def _damped(service: Service, observed: Observed) -> No | None:
    sentence = observed.damped.get(service.name)
    return None if sentence is None else No(Reason.DAMPED, sentence)


def drain_sentence(words: str, drain: Drain) -> str:
    """Return a sentence about a drain: the words, the operator's reason, and until when."""
    # An order without a reason has only its end: "dns is drained until ...".
    colon = "" if drain.detail.startswith("until ") or not drain.detail else ":"
    return f"{words}{colon} {drain.detail}".rstrip()
