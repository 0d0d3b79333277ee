"""Tell whether bgpd announces a network only with a route for it (its import check)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr import config_lines
from anycast_routed.announce.frr.answer_errors import ask, odd_answers_named
from anycast_routed.model import BlackholeNeed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.announce.frr.running_config import Running
    from anycast_routed.announce.frr.vtysh import Vtysh
    from anycast_routed.model import Plan, Prefix

_V4 = 4
_BGP = "bgp"
_MOST_QUESTIONS = 1024

NEED = BlackholeNeed(
    "it is not on this host, and FRR, without a route for exactly this prefix, needs a blackhole "
    "route in the kernel: to accept that, set `blackhole = true` for its route"
)
NEED_BESIDE_BGP = BlackholeNeed(
    "it is not on this host, and FRR's own route for exactly this prefix comes from BGP, with "
    "which FRR does not announce it: give the address to this host"
)


def checks(running: Running, plan: Plan) -> bool:
    """Return whether bgpd, once it runs this plan, wants a route for each network.

    The check is one option of the whole instance. The operator may have turned it off. In an
    instance that has nothing of the operator's, the plan turns it off.
    """
    if running.imports_unchecked:
        return False
    return plan.sessions is None or not running.is_ours_alone


def unrouted(vtysh: Vtysh, prefixes: Collection[Prefix]) -> dict[Prefix, BlackholeNeed]:
    """Ask zebra which of these prefixes it has no route for that lets bgpd announce them, and why.

    A route of bgpd itself does not, nor one that zebra does not use. One of our statics does, but
    is no route of the operator. A prefix beyond the first 1,024 counts as without a route.

    Raises:
        RouterUnavailableError, AccessDeniedError: as `Vtysh.ask`.
    """
    asked = {one: _question(one) for one in [*prefixes][:_MOST_QUESTIONS]}
    answered = ask(vtysh, "zebra", [*asked.values()])
    found = dict.fromkeys(prefixes, NEED)
    with odd_answers_named():
        for prefix, question in asked.items():
            protocols = _protocols(answered[question], prefix)
            if protocols - {_BGP}:
                del found[prefix]
            elif protocols:
                found[prefix] = NEED_BESIDE_BGP
    return found


def _question(prefix: Prefix) -> str:
    return f"show {'ip' if prefix.version == _V4 else 'ipv6'} route {prefix} json"


def _protocols(answer: Mapping[str, Any] | None, prefix: Prefix) -> set[str]:
    """Return where the routes in use come from that are not our statics."""
    routes = (answer or {}).get(str(prefix), ())
    return {
        str(route.get("protocol"))
        for route in routes
        if route.get("selected") and route.get("tag") != config_lines.STATIC_TAG
    }
