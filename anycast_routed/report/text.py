"""Plans and the router's word as short, aligned lines for people.

`+` announced, `-` withdrawn, `~` changed, `!` lowered, withheld or not as it should be, each with
why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.decide.attributes import cells, change_cells
from anycast_routed.decide.diff import Kind
from anycast_routed.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anycast_routed.decide.diff import Change
    from anycast_routed.decide.proof import Fault
    from anycast_routed.model import Announcement, CheckResult, Plan, Prefix, Readback, Session

# A session that is tried again and again goes through these by itself (RFC 4271 section 8.2.2).
_TRIED = frozenset({"Idle", "Connect", "Active", "OpenSent", "OpenConfirm"})
_LONGEST = 200  # characters of a text that comes from outside


def safe(text: str, *, most: int = _LONGEST) -> str:
    """Make a text from outside harmless for a terminal: printable ASCII, of bounded length."""
    shown = text.encode("unicode_escape", "backslashreplace").decode("ascii")
    return shown if len(shown) <= most else f"{shown[:most]}..."


def printable(message: str) -> str:
    """Make a message of ours with words from outside in it harmless for a terminal.

    Its lines stay, and what can be seen in any language; all else is escaped.
    """
    return "".join(one if one.isprintable() or one == "\n" else safe(one) for one in message)


def problem_lines(about: str, message: str) -> list[str]:
    """Return a message of ours whole, line by line: the remedy may stand at its end."""
    first, *rest = printable(message).split("\n")
    return [f"! {safe(about)} problem: {first}", *(f"    {line}" for line in rest)]


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Align the cells of all rows; an empty column takes no room, and no line ends in blanks."""
    table = [list(row) for row in rows]
    widths = [
        max((len(row[index]) for row in table if index < len(row) - 1), default=0)
        for index in range(max((len(row) for row in table), default=0))
    ]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=False) if cell or width
        ).rstrip()
        for row in table
    ]


def change_lines(plan: Plan, changes: Sequence[Change]) -> list[str]:
    """One line a change, then one for each prefix that stays lowered or withheld."""
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
                why = reasons.get(change.prefix, "no longer in the config or on this host")
                rows.append((f"- {change.prefix}", safe(why)))
    shown = {change.prefix for change in changes}
    rows += [
        (f"! {a.prefix}", safe(a.note))
        for a in plan.announcements
        if a.note and a.prefix not in shown
    ]
    gone = {change.prefix for change in changes if change.kind is Kind.WITHDRAWN}
    rows += [
        (f"! {w.prefix or safe(w.source)}", safe(w.detail))
        for w in plan.withheld
        if w.prefix not in gone
    ]
    return _with_own_columns(rows)


def blind_lines(results: Mapping[str, CheckResult]) -> list[str]:
    """One line for each service whose check could not run, by service name."""
    return [
        f"! service {name}: the check could not run: {safe(result.reason)}"
        for name, result in results.items()
        if result.outcome is Outcome.UNKNOWN
    ]


def announced_lines(plan: Plan) -> list[str]:
    """One line for each prefix that is announced, with its attributes."""
    return columns((f"  {a.prefix}", *cells(a.attributes), _source(a)) for a in plan.announcements)


def trouble_lines(
    readback: Readback, faults: Sequence[Fault], plan: Plan, *, lasting: bool = False
) -> list[str]:
    """One line for each neighbor or export that is not as it should be.

    `lasting`: as long as a session is tried again and again its line stays the same.
    """
    # The kernel drops what carries another password (RFC 2385 section 2), and no router tells.
    peers = plan.sessions.peers if plan.sessions else ()
    guarded = {
        peer.address: "; has it the same password?" for peer in peers if peer.password is not None
    }
    lines = [
        f"! peer {session.address}: session is {_why(session, lasting=lasting)}, "
        f"nothing is exported there{guarded.get(session.address, '')}"
        for session in readback.sessions
        if session.ours and not session.established
    ]
    if not any(session.established for session in readback.sessions):
        lines.append("! no BGP session is Established: nobody hears these prefixes")
    for fault in faults:
        where = " to ".join(str(fact) for fact in (fault.prefix, fault.peer) if fact is not None)
        hint = "" if fault.blocking else ": refused by an export filter, or a family not in use"
        lines.append(f"! {where}: {fault.detail}{hint}")
    return lines


def _why(session: Session, *, lasting: bool) -> str:
    state = "down" if lasting and session.state in _TRIED else session.state
    return f"{state} ({session.error})" if session.error else state


def confirmation(readback: Readback, only: Prefix | None = None) -> str:
    """Say in one sentence what the router itself confirms, of all of ours or of only one."""
    ours = {route.prefix for route in readback.originated}
    peers = [
        str(peer)
        for peer, routes in readback.exported.items()
        if any(route.prefix in ours for route in routes)
    ]
    if not ours:
        return f"{readback.router} exports {f'no {only}' if only else 'nothing of ours'}"
    heard = {route.prefix for routes in readback.exported.values() for route in routes} & ours
    count = str(only) if only else f"{len(ours)} prefix" + ("es" if len(ours) > 1 else "")
    if not peers:
        return f"{readback.router} holds {count}, exported to no peer"
    if len(heard) < len(ours):
        count = f"only {len(heard)} of {count}"
    return f"{readback.router} exports {count} to {', '.join(peers)}"


def check_lines(results: Iterable[tuple[str, str, CheckResult]]) -> list[str]:
    """One line a service: its name, the server asked, and what it said."""
    rows = []
    for service, server, result in results:
        latency = "" if result.latency is None else f"{result.latency * 1000:.1f} ms"
        ede = f" ({'; '.join(safe(code) for code in result.ede)})" if result.ede else ""
        rows.append((service, str(result.outcome), server, latency, safe(result.reason) + ede))
    return columns(rows)


def duration(seconds: float) -> str:
    """`12 ms` or `1.21 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _source(one: Announcement) -> str:
    """Name where a prefix comes from, and what has lowered it."""
    return f"{safe(one.source)}  {safe(one.note)}".rstrip()


def _with_own_columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the prefixes of all rows, and the attributes only among rows that have them."""
    wide = [row for row in rows if len(row) > 2]  # noqa: PLR2004 - mark and reason are two
    facts = iter(columns(row[1:] for row in wide))
    return columns((row[0], next(facts) if len(row) > 2 else row[1]) for row in rows)  # noqa: PLR2004 - as above
