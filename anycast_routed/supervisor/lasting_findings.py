"""The findings of sessions and exports over time: each is logged once, if it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.model import Finding
    from anycast_routed.report.log import Log

_LASTING = 3.0  # seconds after which a finding is logged: a session that is coming up is none
_Subject = tuple[str, str]  # the code of a finding, and what it concerns


class LastingFindings:
    """Logs when a finding begins to last, and when it is over.

    A finding is known by its code and subject, since its words can change: BIRD 3.4 names two last
    errors of a session in turn. Other words about the same subject are logged once each.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._since: dict[_Subject, float] = {}
        self._logged: dict[_Subject, dict[str, Finding]] = {}
        self.present: tuple[Finding, ...] = ()
        """All findings of the latest step."""

    def take(self, found: Iterable[Finding], at: float) -> None:
        """Take in the findings of a step at this monotonic time."""
        self.present = tuple(found)
        now: dict[_Subject, Finding] = {(one.code, one.about): one for one in self.present}
        self._since = {subject: self._since.get(subject, at) for subject in now}
        for subject in sorted(self._logged.keys() - now.keys()):
            *_, gone = self._logged.pop(subject).values()
            self._log.info("finding is over", code=gone.code, what=str(gone))
        for subject, one in sorted(now.items()):
            logged = self._logged.get(subject, {})
            if one.detail not in logged and at - self._since[subject] >= _LASTING:
                self._logged[subject] = {**logged, one.detail: one}
                self._log.warning("finding", code=one.code, what=str(one))
