"""Findings from a read-back, a plan, the services and the daemon's problems; and their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.model import Code, Finding, Outcome, Verdict
from anycast_routed.report.text import printable, safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from anycast_routed.decide.proof import Fault
    from anycast_routed.model import CheckResult, Drain, Health, Plan, Readback, Session

_PROBLEMS = {
    "config": Code.CONFIG_REFUSED,
    "router": Code.ROUTER_PROBLEM,
    "old router": Code.OLD_ROUTER_PROBLEM,
    "drains": Code.DRAIN_ORDERS_UNREADABLE,
    "addresses": Code.ADDRESSES_UNREADABLE,
    "status file": Code.STATUS_FILE_NOT_WRITTEN,
    "journal": Code.JOURNAL_NOT_WRITTEN,
}
# A session that is tried again and again goes through these by itself (RFC 4271 section 8.2.2).
_TRIED = frozenset({"Idle", "Connect", "Active", "OpenSent", "OpenConfirm"})


def of_router(
    readback: Readback,
    faults: Sequence[Fault],
    plan: Plan,
    *,
    refused: str = "",
    lasting: bool = False,
) -> list[Finding]:
    """Return a finding for each session that is down, and for each fault of the proof.

    `refused` is what the router said about the prefixes that it does not take. With `lasting` the
    finding stays equal while a session is tried again and again.
    """
    peers = plan.sessions.peers if plan.sessions else ()
    with_password = {peer.address for peer in peers if peer.password is not None}
    found = []
    for session in readback.sessions:
        if session.ours and not session.established:
            # The kernel drops segments with another password (RFC 2385 section 2) and no router
            # reports that.
            fix = "check that both sides have the same password"
            fix = fix if session.address in with_password else ""
            detail = f"session is {_state(session, lasting=lasting)}, nothing is exported there"
            found.append(Finding(Code.SESSION_DOWN, f"peer {session.address}", detail, fix))
    if not any(session.established for session in readback.sessions):
        detail = "no BGP session is Established: no peer gets these prefixes"
        found.append(Finding(Code.NO_SESSION_ESTABLISHED, "", detail))
    for fault in faults:
        about = " to ".join(str(fact) for fact in (fault.prefix, fault.peer) if fact is not None)
        if fault.blocking:
            found.append(Finding(Code.NOT_AS_PLANNED, about, fault.detail, fault.fix))
        else:
            found.append(Finding(Code.NOT_EXPORTED, about, fault.detail, fault.fix))
    if refused and any(fault.absent for fault in faults):
        detail = f"{readback.router} refused a part of the config: {refused}"
        found.append(
            Finding(Code.PREFIX_REFUSED, "", detail, "the other prefixes are not affected")
        )
    return found


def of_services(
    health: Mapping[str, Health],
    damped: Mapping[str, str],
    drains: Mapping[str, Drain],
    senses: Mapping[str, object],
) -> Iterator[Finding]:
    """Yield a finding for each incomplete pulse, each damped service, and each drain."""
    for service, one in health.items():
        sense = senses.get(service)
        # A server that is down has no sockets and no processes anyway.
        if one.verdict is Verdict.UP and isinstance(sense, dict) and sense.get("detail"):
            detail = f"the pulse is incomplete: {safe(str(sense['detail']))}"
            yield Finding(Code.PULSE_INCOMPLETE, f"service {service}", detail)
    for sentence in damped.values():
        yield Finding(Code.DAMPED, "", safe(sentence))
    for target, drain in drains.items():
        facts = ", ".join(filter(None, (str(drain.stage), safe(drain.detail))))
        yield Finding(Code.DRAINED, f"drain of {target}", facts)


def of_results(results: Mapping[str, CheckResult]) -> list[Finding]:
    """Return a finding for each service whose check could not run."""
    return [
        Finding(
            Code.CHECK_CANNOT_RUN,
            f"service {service}",
            f"the check could not run: {result.reason}",
        )
        for service, result in results.items()
        if result.outcome is Outcome.UNKNOWN
    ]


def of_problem(about: str, message: str) -> Finding:
    """Return the finding for a problem of the daemon with one of its subjects."""
    return Finding(_PROBLEMS.get(about, Code.OTHER_PROBLEM), f"{about} problem", message)


def lines(findings: Iterable[Finding]) -> list[str]:
    """Return a line for each finding, more where its detail has several, with its code."""
    shown = []
    for finding in findings:
        first, *rest = printable(str(finding)).split("\n")
        shown += [f"! {first} [{finding.code}]", *(f"    {line}" for line in rest)]
    return shown


def _state(session: Session, *, lasting: bool) -> str:
    state = "down" if lasting and session.state in _TRIED else session.state
    return f"{state} ({session.error})" if session.error else state
