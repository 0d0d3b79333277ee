"""A password that prints as `********`, wherever it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

MASK = "********"
"""What stands for a password in everything that people and other programs read."""


class Password:
    """The password of one BGP session, or why there is none; frozen.

    Neither `str` nor a format, neither JSON nor a copy of a dataclass that holds one gives it
    away: only `reveal` does, for the renderer.
    """

    __slots__ = ("_text", "elsewhere", "file", "hint", "problem")

    def __init__(
        self,
        file: Path,
        text: str = "",
        *,
        problem: str = "",
        hint: str = "",
        elsewhere: bool = False,
    ) -> None:
        """Take its file as the config names it, and what was read there, if it was."""
        self.file = file
        self._text = text
        self.problem = problem
        """Why it cannot be had, in words that give nothing of it away."""
        self.hint = hint
        self.elsewhere = elsewhere
        """Only this process cannot have it: the service, another user's, may well."""

    def reveal(self) -> str:
        """Return the password itself; empty where it was not read."""
        return self._text

    reveal.unsafe_callable = True  # type: ignore[attr-defined]  # jinja2's sandbox calls none such

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return MASK

    def __format__(self, layout: str) -> str:
        return format(repr(self), layout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Password) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash(self.file)

    def __copy__(self) -> Password:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Password:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = "a password is not to be stored"
        raise TypeError(message)

    def _facts(self) -> tuple[object, ...]:
        return self.file, self._text, self.problem, self.hint, self.elsewhere


class StandIn(Password):
    """A password that prints as a token of one's own, so that it is known where it was printed.

    Its content is none of the template's that it is for.
    """

    __slots__ = ("_token",)

    def __init__(self, one: Password, token: str) -> None:
        super().__init__(one.file, token)
        self._token = token

    def __repr__(self) -> str:
        return self._token
