"""Wait for an event in a test; a busy machine only makes the wait longer, never the test fail."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal, TypeVar

from anycast_routed import lab

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which an event that has not happened fails a test.

It ends the wait for a program that is broken, and promises no speed: the benchmarks measure that.
A test passes a shorter time only to what it expects to end by that time, such as a `--within`.
"""

Value = TypeVar("Value")


def eventually(
    predicate: Callable[[], Value | Literal[False] | None], *, every: float = 0.02, why: str = ""
) -> Value:
    """Return the first true value of the predicate, which is called every `every` seconds.

    An exception of the predicate means "not yet".

    Raises:
        LateError: there was none after PATIENCE. The error says `why`, and the last value.
    """
    return lab.eventually(predicate, within=PATIENCE, every=every, why=why)


def never(predicate: Callable[[], object], *, seconds: float, why: str = "") -> None:
    """Watch for so many seconds that the predicate does not become true.

    A busy machine cannot fail this: a late event is then missed, but none is made up.
    """
    with contextlib.suppress(lab.LateError):
        value = lab.eventually(predicate, within=seconds, every=0.05)
        message = f"{why or 'it must not happen'}: {value!r}"
        raise AssertionError(message)
