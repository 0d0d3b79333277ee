"""Checks: the result of one check, and the health that results make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What one check has shown. UNKNOWN means that the check itself could not run."""

    PASS = "pass"  # nosec B105  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


NOTHING_LISTENS = "nothing listens on"
"""In the reason of a result: the port was refused, so the server was not there to hear it."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One question to one DNS server, answered or not. A failed check is a value with a reason."""

    outcome: Outcome
    reason: str
    """A short sentence for people: `SERVFAIL`, `no reply within 1 s`, `connection refused`."""
    rcode: str = ""
    """The rcode's mnemonic (RFC 1035 section 4.1.1), empty without a reply."""
    ede: tuple[str, ...] = ()
    """Extended DNS Errors of the reply (RFC 8914), such as `22 (No Reachable Authority): text`."""
    latency: float | None = None
    """Seconds from the answered transmission to its reply; None without a reply."""
    transmissions: int = 0
    transport: str = ""
    """`udp` or `tcp`: what the judged reply came over."""


class Verdict(StrEnum):
    """What rise and fall have made of the results so far. UNKNOWN: not decided yet."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class CheckKey(NamedTuple):
    """One check of one service: what facts, records and the status file are keyed by."""

    service: str
    check: str
    """The check's name within its service; `dns` is the only one so far."""


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict of one check, or of a whole service, and how far results lean against it."""

    verdict: Verdict = Verdict.UNKNOWN
    passes: int = 0
    """Passes in a row, counted up to `rise`."""
    fails: int = 0
    """Failures in a row, counted up to `fall`."""
    reason: str = "not checked yet"
    """The latest result's reason."""
    unknown_since: float | None = None
    """Monotonic seconds of the first of the latest run of checks that could not run."""
    ever_up: bool = False
    """It has been UP at some time of this boot: only such a service may be lowered when DOWN."""
