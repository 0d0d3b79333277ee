"""What one server usually does: the questions it answers at once, and how it answers ours."""

from typing import Final

from anycast_routed.observe.pulse.questions import FORMS

Meaning = tuple[int, bool]

_EVERY: Final = 3.0
"""Seconds from one question asked to learn something to the next."""
_PROMPT: Final = 0.03
_MISSES: Final = 3
"""A form missed so often in a row by a server that is well is no longer its habit."""
_LESSONS: Final = 2 * FORMS
"""So many are asked as fast as the base probes go, when the server is new to us."""
_MOST_CHANGES: Final = 4.0
"""Changes may be told so often at once, and then one a second."""


class Habits:
    """Which forms of liveness questions a server is known to answer at once.

    Only these count in a burst: silence on a question that was never answered proves nothing.
    """

    def __init__(self) -> None:
        self._misses: list[int | None] = [None] * FORMS
        """In a row since the last prompt answer; None where there never was one."""
        self._asked = 0
        self._due = 0.0
        self._pending: int | None = None

    def proven(self) -> list[int]:
        """Give the forms which are known to be answered."""
        return [
            form
            for form, misses in enumerate(self._misses)
            if misses is not None and misses < _MISSES
        ]

    def lesson(self, now: float, *, well: bool) -> int | None:
        """Give the form to ask now, if it is time; `well`: the base probes are answered."""
        if now < self._due:
            return None
        if self._pending is not None and well:
            misses = self._misses[self._pending]
            self._misses[self._pending] = None if misses is None else misses + 1
        self._pending = self._asked % FORMS
        self._asked += 1
        self._due = now if self._asked < _LESSONS else now + _EVERY
        return self._pending

    def answered(self, form: int, latency: float) -> None:
        """Learn that this form was answered after so many seconds, without help from others."""
        if latency <= _PROMPT:
            self._misses[form] = 0
            if form == self._pending:
                self._pending = None


class Normal:
    """What the base question is usually answered, to tell a change once and not for ever."""

    def __init__(self) -> None:
        self._latest: Meaning | None = None
        self._normal: Meaning | None = None
        self._told: set[Meaning] = set()
        self._budget = _MOST_CHANGES
        self._counted = 0.0

    def settle(self) -> None:
        """Take what is answered now for normal: a check has judged the server as it is."""
        self._normal = self._latest
        self._told.clear()

    def forget(self) -> None:
        """Take whatever is answered next for normal."""
        self._latest = None
        self.settle()

    def heard(self, meaning: Meaning, now: float) -> str:
        """Return a sentence about the change if it is one to be told, else nothing."""
        self._latest = meaning
        if self._normal is None:
            self._normal = meaning
        if meaning == self._normal or meaning in self._told or not self.affordable(now):
            return ""
        self._told.add(meaning)
        return f"it answers {_text(meaning)}, and did {_text(self._normal)}"

    def affordable(self, now: float) -> bool:
        """Spend from the budget, so that no server can keep us checking all the time."""
        self._budget = min(_MOST_CHANGES, self._budget + now - self._counted)
        self._counted = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


_RCODES: Final = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


def _text(meaning: Meaning) -> str:
    number, answers = meaning
    rcode = _RCODES[number] if number < len(_RCODES) else f"rcode {number}"
    return f"{rcode} with an answer" if answers else f"{rcode} without an answer"
