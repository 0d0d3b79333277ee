"""Find the exports that an operator's own session changes on their way to the peer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.attribute_words import alteration
from anycast_routed.model import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from anycast_routed.model import Attributes, Plan, Prefix, Readback, Session

_NAMED = 3
"""The most prefixes of one session that each have a finding of their own."""
_FIX = "if that is not meant, change the export filter (BIRD) or the outbound route-map (FRR)"


def altered_exports(
    plan: Plan, readback: Readback, ignored: Collection[Prefix] = ()
) -> Iterator[Finding]:
    """Yield a finding for what an operator's session sends otherwise than the router holds it.

    His filter may do that, so it is only reported. The next hop is left out: a session sets it in
    many ways. `ignored` are prefixes that have just changed, since a router may still be sending.
    """
    if plan.sessions is not None:
        return
    held = {
        route.prefix: route.attributes
        for route in readback.originated
        if route.prefix not in ignored
    }
    for session in readback.sessions:
        found = _alterations(held, readback, session)
        if len(found) > _NAMED:
            first, words = next(iter(found.items()))
            detail = f"{first} and {len(found) - 1} more: {words}"
            yield Finding(Code.EXPORT_ALTERED, f"peer {session.address}", detail, _FIX)
        else:
            for prefix, words in found.items():
                about = f"{prefix} to {session.address}"
                yield Finding(Code.EXPORT_ALTERED, about, words, _FIX)


def _alterations(
    held: Mapping[Prefix, Attributes], readback: Readback, session: Session
) -> dict[Prefix, str]:
    sent = readback.exported.get(session.name, ()) if session.established else ()
    found = (
        (route.prefix, alteration(held[route.prefix], route.attributes))
        for route in sent
        if route.prefix in held
    )
    return {prefix: f"exported with {words}" for prefix, words in found if words}
