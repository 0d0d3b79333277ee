"""A password that prints as `********` everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

MASK = "********"
"""The text that replaces a password in all output, for people and for programs."""


class Password:
    """The password of one BGP session, or the reason why it could not be read; frozen.

    `str`, `format`, JSON, and copies of a dataclass with a password in it show the mask. Only
    `reveal` returns the password, for the renderer.
    """

    __slots__ = ("_text", "file", "hint", "problem", "unreadable_here")

    def __init__(
        self,
        file: Path,
        text: str = "",
        *,
        problem: str = "",
        hint: str = "",
        unreadable_here: bool = False,
    ) -> None:
        """Take the file as the config names it, and the content that was read, if any."""
        self.file = file
        self._text = text
        self.problem = problem
        """Why the password could not be read; the sentence contains no part of the password."""
        self.hint = hint
        self.unreadable_here = unreadable_here
        """Only this process cannot read it: the service, which runs as another user, may."""

    def reveal(self) -> str:
        """Return the password itself; empty if it was not read."""
        return self._text

    reveal.unsafe_callable = True  # type: ignore[attr-defined]  # jinja2's sandbox refuses to call it

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
        message = "a password cannot be pickled"
        raise TypeError(message)

    def _facts(self) -> tuple[object, ...]:
        return self.file, self._text, self.problem, self.hint, self.unreadable_here


class StandIn(Password):
    """A password that prints as a unique token, which shows where a template has printed it.

    `reveal` returns the token too, so the template never gets the real password.
    """

    __slots__ = ("_token",)

    def __init__(self, password: Password, token: str) -> None:
        super().__init__(password.file, token)
        self._token = token

    def __repr__(self) -> str:
        return self._token
