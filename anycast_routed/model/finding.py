"""Findings: what needs an operator's attention, as values with stable codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How urgent a finding is."""

    ERROR = "error"
    """A prefix is not announced, or not withdrawn, as the config wants it."""
    WARNING = "warning"
    """It works now, but something should be changed."""
    NOTE = "note"
    """An operator ordered it, or it is only worth knowing."""


class Code(StrEnum):
    """The stable code of each kind of finding.

    A code never changes its meaning; the code of a kind that no longer exists is not used again.
    """

    SESSION_DOWN = "AR001"
    NO_SESSION_ESTABLISHED = "AR002"
    NOT_EXPORTED = "AR003"
    NOT_AS_PLANNED = "AR004"
    LOCAL_PREF_NOT_SENT = "AR005"
    NOT_WITHDRAWN = "AR006"
    ALSO_ANNOUNCED = "AR007"
    ANNOUNCED_ELSEWHERE = "AR008"
    OTHER_NEIGHBORS = "AR009"
    SERVICE_DOWN = "AR010"
    SERVICE_UNDECIDED = "AR011"
    DRAINED = "AR012"
    DAMPED = "AR013"
    INTERFACE_MISSING = "AR014"
    NO_NEXT_HOP = "AR015"
    LOCAL_PREF_UNDERFLOW = "AR016"
    DUPLICATE = "AR017"
    BAD_LABEL = "AR018"
    NOT_USABLE = "AR019"
    LOWERED = "AR020"
    BLACKHOLE = "AR021"
    NO_LABELS = "AR022"
    NOTHING_TO_ANNOUNCE = "AR023"
    NOT_A_HOST_PREFIX = "AR024"
    NOT_ON_HOST = "AR025"
    NOT_ANSWERED = "AR026"
    EXPORT_ALTERED = "AR027"
    CHECK_CANNOT_RUN = "AR030"
    PULSE_INCOMPLETE = "AR031"
    SERVER_ELSEWHERE = "AR032"
    VRF_NOT_SUPPORTED = "AR033"
    TWO_USERS = "AR034"
    NOT_INCLUDED = "AR040"
    SAVED_NETWORKS = "AR041"
    PASSWORDS_LOGGED = "AR042"
    ROUTER_CONFIG_DIFFERS = "AR043"
    CANNOT_RENDER = "AR044"
    RELEASE_UNTRIED = "AR045"
    RELEASE_CRASHES = "AR046"
    PREFIX_REFUSED = "AR047"
    SURVIVES_BOOT = "AR048"
    DAEMON_DIED = "AR050"
    LOCK_HOLDER_UNKNOWN = "AR051"
    CONFIG_REFUSED = "AR052"
    ROUTER_PROBLEM = "AR053"
    DRAIN_ORDERS_UNREADABLE = "AR054"
    ADDRESSES_UNREADABLE = "AR055"
    STATUS_FILE_NOT_WRITTEN = "AR056"
    JOURNAL_NOT_WRITTEN = "AR057"
    OLD_ROUTER_PROBLEM = "AR058"
    OTHER_PROBLEM = "AR059"
    WRITABLE_BY_ALL = "AR060"
    PASSWORD_UNKNOWN_HERE = "AR061"  # nosec B105  # noqa: S105 - a code, not a password
    PASSWORD_CLOSED_TO_DAEMON = "AR062"  # nosec B105  # noqa: S105 - a code, not a password
    OTHER_OWNER = "AR063"
    CHECK_ON_TRIAL = "AR074"


_WARNINGS = frozenset(
    {
        Code.LOCAL_PREF_NOT_SENT,
        Code.ALSO_ANNOUNCED,
        Code.OTHER_NEIGHBORS,
        Code.SERVICE_UNDECIDED,
        Code.DAMPED,
        Code.DUPLICATE,
        Code.BAD_LABEL,
        Code.NOT_USABLE,
        Code.LOWERED,
        Code.NO_LABELS,
        Code.NOTHING_TO_ANNOUNCE,
        Code.NOT_A_HOST_PREFIX,
        Code.NOT_ON_HOST,
        Code.NOT_ANSWERED,
        Code.EXPORT_ALTERED,
        Code.PULSE_INCOMPLETE,
        Code.VRF_NOT_SUPPORTED,
        Code.TWO_USERS,
        Code.SAVED_NETWORKS,
        Code.PASSWORDS_LOGGED,
        Code.ROUTER_CONFIG_DIFFERS,
        Code.RELEASE_CRASHES,
        Code.STATUS_FILE_NOT_WRITTEN,
        Code.JOURNAL_NOT_WRITTEN,
        Code.WRITABLE_BY_ALL,
        Code.PASSWORD_CLOSED_TO_DAEMON,
    }
)
_NOTES = frozenset(
    {
        Code.ANNOUNCED_ELSEWHERE,
        Code.DRAINED,
        Code.PASSWORD_UNKNOWN_HERE,
        Code.RELEASE_UNTRIED,
        Code.SERVER_ELSEWHERE,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs attention: its kind, what it concerns, the facts, and the fix."""

    code: Code
    about: str
    """What it concerns: a prefix, a peer, a service, a file; empty where `detail` names it."""
    detail: str
    """A sentence with the facts of this case."""
    fix: str = ""
    """What to do next, a command where there is one; empty where nothing can be done."""

    @property
    def severity(self) -> Severity:
        """How urgent findings of this code are."""
        if self.code in _NOTES:
            return Severity.NOTE
        return Severity.WARNING if self.code in _WARNINGS else Severity.ERROR

    def __str__(self) -> str:
        about = f"{self.about}: " if self.about else ""
        fix = f"; {self.fix}" if self.fix else ""
        return f"{about}{self.detail}{fix}"

    def facts(self) -> dict[str, str]:
        """Return the finding as programs get it."""
        return {
            "code": str(self.code),
            "severity": str(self.severity),
            "about": self.about,
            "detail": self.detail,
            "fix": self.fix,
        }

    @classmethod
    def of_facts(cls, facts: dict[str, str]) -> Finding:
        """Return the finding that `facts` gave.

        Raises:
            ValueError, KeyError: another version made them, or they are damaged.
        """
        return cls(
            Code(facts["code"]), str(facts["about"]), str(facts["detail"]), str(facts["fix"])
        )
