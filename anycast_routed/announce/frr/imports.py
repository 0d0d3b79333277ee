"""Tell whether bgpd announces a network only with a route for it (its import check)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.answer_errors import by_question, odd_answers_named
from anycast_routed.model import BlackholeNeed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.announce.frr.vtysh import Vtysh
    from anycast_routed.model import Plan, Prefix

_V4 = 4
_MOST_QUESTIONS = 1024
_IN_ONE_CALL = 256

NEED = BlackholeNeed(
    "it is not on this host, and FRR, without a route for exactly this prefix, needs a blackhole "
    "route in the kernel: to accept that, set `blackhole = true` for its route"
)


def checks(running: Running, plan: Plan) -> bool:
    """Return whether bgpd, once it runs this plan, wants a route for each network.

    The check is one option of the whole instance. The operator may have turned it off. In an
    instance that has nothing of the operator's, the plan turns it off.
    """
    if running.imports_unchecked:
        return False
    return plan.sessions is None or not running.is_ours_alone


def routed(vtysh: Vtysh, prefixes: Collection[Prefix]) -> frozenset[Prefix]:
    """Ask zebra for which of these prefixes it has a route that is not one of our statics.

    A prefix beyond the first 1,024 counts as without a route.

    Raises:
        RouterUnavailableError, AccessDeniedError: as `Vtysh.ask`.
    """
    questions = {_question(one): one for one in [*prefixes][:_MOST_QUESTIONS]}
    found = set()
    commands = [*questions]
    while commands:
        now, commands = commands[:_IN_ONE_CALL], commands[_IN_ONE_CALL:]
        answered = by_question(now, vtysh.ask("zebra", now))
        with odd_answers_named():
            found |= {one for q, one in questions.items() if _has_route(answered.get(q), one)}
    return frozenset(found)


def _question(prefix: Prefix) -> str:
    return f"show {'ip' if prefix.version == _V4 else 'ipv6'} route {prefix} json"


def _has_route(answer: Mapping[str, Any] | None, prefix: Prefix) -> bool:
    routes = (answer or {}).get(str(prefix), ())
    return any(route.get("tag") != config_lines.STATIC_TAG for route in routes)
