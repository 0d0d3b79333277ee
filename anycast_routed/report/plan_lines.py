"""Plans and read-backs as short, aligned lines for people.

`+` announced, `-` withdrawn, `~` changed, `!` lowered, withheld, or any other finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.attribute_words import cells, change_cells
from anycast_routed.decide.diff import Kind
from anycast_routed.decide.proof import heard
from anycast_routed.model import Code, Reason
from anycast_routed.report.text import columns, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.decide.diff import Change
    from anycast_routed.model import Announcement, Plan, Prefix, Readback

CODES = {
    Reason.SERVICE_DOWN: Code.SERVICE_DOWN,
    Reason.SERVICE_UNDECIDED: Code.SERVICE_UNDECIDED,
    Reason.DRAINED: Code.DRAINED,
    Reason.DAMPED: Code.DAMPED,
    Reason.INTERFACE_MISSING: Code.INTERFACE_MISSING,
    Reason.NO_NEXT_HOP: Code.NO_NEXT_HOP,
    Reason.LOCAL_PREF_UNDERFLOW: Code.LOCAL_PREF_UNDERFLOW,
    Reason.DUPLICATE: Code.DUPLICATE,
    Reason.BAD_LABEL: Code.BAD_LABEL,
    Reason.NOT_USABLE: Code.NOT_USABLE,
    Reason.BLACKHOLE: Code.BLACKHOLE,
}
"""The code of the finding for each reason to withhold."""
NOT_PRESENT = "no longer in the config or on this host"
"""Why a prefix is withdrawn that is no longer in the plan at all."""


def change_lines(plan: Plan, changes: Sequence[Change]) -> list[str]:
    """Return a line for each change, then one for each prefix that stays lowered or withheld."""
    rows: list[tuple[str, ...]] = []
    announced = {a.prefix: a for a in plan.announcements}
    reasons = {w.prefix: w.detail for w in plan.withheld}
    for change in changes:
        match change.kind:
            case Kind.ANNOUNCED | Kind.CHANGED:
                one = announced[change.prefix]
                mark = "+" if change.kind is Kind.ANNOUNCED else "~"
                before = change.before.attributes if change.before else None
                facts = change_cells(before, one.attributes)
                rows.append((f"{mark} {change.prefix}", *facts, _source(one)))
            case Kind.WITHDRAWN:
                why = reasons.get(change.prefix, NOT_PRESENT)
                rows.append((f"- {change.prefix}", safe(why)))
    shown = {change.prefix for change in changes}
    rows += [
        (f"! {a.prefix}", f"{safe(a.note)} [{Code.LOWERED}]")
        for a in plan.announcements
        if a.note and a.prefix not in shown
    ]
    gone = {change.prefix for change in changes if change.kind is Kind.WITHDRAWN}
    rows += [
        (f"! {w.prefix or safe(w.source)}", f"{safe(w.detail)} [{CODES[w.reason]}]")
        for w in plan.withheld
        if w.prefix not in gone
    ]
    return _with_own_columns(rows)


def announced_lines(plan: Plan) -> list[str]:
    """Return a line for each announcement of a plan, with its attributes."""
    return columns((f"  {a.prefix}", *cells(a.attributes), _source(a)) for a in plan.announcements)


def held_lines(readback: Readback) -> list[str]:
    """Return a line for each prefix that the router holds, with the peers that get it."""
    return columns(
        (
            f"+ {route.prefix}",
            *cells(route.attributes),
            f"to {', '.join(_peers(readback, route.prefix)) or 'no peer'}",
        )
        for route in readback.originated
    )


def confirmation(readback: Readback, only: Prefix | None = None) -> str:
    """Return a sentence: what the read-back confirms, of all prefixes or of `only` one."""
    ours = {route.prefix for route in readback.originated}
    peers = [
        peer
        for peer, routes in readback.exported_by_peer().items()
        if any(route.prefix in ours for route in routes)
    ]
    if not ours:
        return f"{readback.router} exports {f'no {only}' if only else 'no anycast prefix'}"
    reached = heard(readback) & ours
    count = str(only) if only else f"{len(ours)} prefix" + ("es" if len(ours) > 1 else "")
    if not peers:
        return f"{readback.router} holds {count}, exported to no peer"
    if len(reached) < len(ours):
        count = f"only {len(reached)} of {count}"
    return f"{readback.router} exports {count} to {', '.join(peers)}"


def _peers(readback: Readback, prefix: Prefix) -> list[str]:
    return [
        peer
        for peer, routes in readback.exported_by_peer().items()
        if any(route.prefix == prefix for route in routes)
    ]


def _source(one: Announcement) -> str:
    """Return where a prefix comes from, and why it is lowered."""
    return f"{safe(one.source)}  {safe(one.note)}".rstrip()


def _with_own_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the prefixes of all rows; align attributes only among rows that have them."""
    wide = [row for row in rows if len(row) > 2]  # noqa: PLR2004 - mark and reason are two
    facts = iter(columns(row[1:] for row in wide))
    return columns((row[0], next(facts) if len(row) > 2 else row[1]) for row in rows)  # noqa: PLR2004 - as above
