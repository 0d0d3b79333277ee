"""Wait until a condition is true, with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, TypeVar

from anycast_routed.lab.failures import LateError

if TYPE_CHECKING:
    from collections.abc import Callable


Value = TypeVar("Value")


def eventually(
    predicate: Callable[[], Value | Literal[False] | None],
    *,
    within: float,
    every: float = 0.02,
    why: str = "",
) -> Value:
    """Call `predicate` every `every` seconds until its value is true, and return that value.

    An exception from `predicate` means "not yet". `predicate` is called at least once, and once
    more after the deadline, so that a slow machine does not miss a condition that is true.

    Raises:
        LateError: the value was not true within `within` seconds. The message names the condition
            (`why`), the hint has the last value or exception.
    """
    end = time.monotonic() + within
    while True:
        last_try = time.monotonic() >= end
        cause: Exception | None = None
        try:
            value = predicate()
            if value:
                return value
            seen = f"the last value was {value!r}"
        except Exception as error:  # noqa: BLE001 - any exception means "not yet"
            cause = error
            seen = f"the last try raised {type(error).__name__}: {error}"
        if last_try:
            message = f"not within {within:g} s: {why or 'the predicate is true'}"
            raise LateError(message, hint=seen) from cause
        time.sleep(min(every, max(0.0, end - time.monotonic())))
