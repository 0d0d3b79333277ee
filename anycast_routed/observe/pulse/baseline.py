"""Learn how one server usually answers: which questions at once, and the base question how."""

from typing import Final

from anycast_routed.observe.pulse.questions import FORMS

Meaning = tuple[int, bool]
"""The rcode of an answer, and whether its answer section has records."""

_INTERVAL: Final = 3.0
"""Seconds from one question that is sent to learn something to the next."""
_AT_ONCE: Final = 0.03
"""Seconds within which an answer counts as given at once."""
_MISSES: Final = 3
"""A form missed this often in a row by a healthy server is no longer counted as answered."""
_FIRST_QUESTIONS: Final = 2 * FORMS
"""Of a new server this many questions are asked at the pace of the base probes."""
_MOST_CHANGES: Final = 4.0
"""So many changes may be reported at once, and then one a second."""


class AnsweredForms:
    """Which forms of liveness questions a server is known to answer at once.

    Only these count in a burst: silence on a question that was never answered proves nothing.
    """

    def __init__(self) -> None:
        self._misses: list[int | None] = [None] * FORMS
        """By form: misses in a row since the last answer at once; None if there was none."""
        self._asked = 0
        self._due = 0.0
        self._pending: int | None = None

    def proven(self) -> list[int]:
        """Return the forms that the server is known to answer."""
        return [
            form
            for form, misses in enumerate(self._misses)
            if misses is not None and misses < _MISSES
        ]

    def next_form(self, now: float, *, healthy: bool) -> int | None:
        """Return the form to ask now, if one is due.

        `healthy`: the server answers the base probes, so a form that it missed counts as a miss.
        """
        if now < self._due:
            return None
        if self._pending is not None and healthy:
            misses = self._misses[self._pending]
            self._misses[self._pending] = None if misses is None else misses + 1
        self._pending = self._asked % FORMS
        self._asked += 1
        self._due = now if self._asked < _FIRST_QUESTIONS else now + _INTERVAL
        return self._pending

    def answered(self, form: int, latency: float) -> None:
        """Take note that the server itself answered this form after `latency` seconds."""
        if latency <= _AT_ONCE:
            self._misses[form] = 0
            if form == self._pending:
                self._pending = None


class UsualAnswer:
    """The usual answer to the base question, so that each change of it is reported once."""

    def __init__(self) -> None:
        self._latest: Meaning | None = None
        self._usual: Meaning | None = None
        self._reported: set[Meaning] = set()
        self._budget = _MOST_CHANGES
        self._budget_at = 0.0

    def settle(self) -> None:
        """Take the latest answer as the usual one: a check has judged the server as it is."""
        self._usual = self._latest
        self._reported.clear()

    def forget(self) -> None:
        """Take the next answer as the usual one, whatever it is."""
        self._latest = None
        self.settle()

    def compare(self, answer: Meaning, now: float) -> str:
        """Return a sentence about the change if it has to be reported, else an empty text."""
        self._latest = answer
        if self._usual is None:
            self._usual = answer
        if answer == self._usual or answer in self._reported or not self.may_report(now):
            return ""
        self._reported.add(answer)
        return f"it answers {_text(answer)}, and before {_text(self._usual)}"

    def may_report(self, now: float) -> bool:
        """Spend one report from the budget; no server can cause checks all the time."""
        self._budget = min(_MOST_CHANGES, self._budget + now - self._budget_at)
        self._budget_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


_RCODES: Final = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


def _text(answer: Meaning) -> str:
    number, has_records = answer
    rcode = _RCODES[number] if number < len(_RCODES) else f"rcode {number}"
    return f"{rcode} with records" if has_records else f"{rcode} without records"
