"""Parse values of the config file: text, whole numbers, booleans and durations.

A parser takes a value from JSON or TOML and returns the parsed value, or raises `Refused` with a
sentence for the operator. It accepts a value of its result type too, so that code can build a
section.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, NoReturn

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

SHOWN = 60
"""The most characters of a value that a message repeats."""

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "\u03bcs": 1_000,  # the Greek letter mu; Go takes both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
DURATION = "(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h)"
_DURATION = re.compile(f"(?:{DURATION})+")
_TERM = re.compile("([0-9]*)\\.?([0-9]*)([a-z\u00b5\u03bc]+)")

MAX_U32 = 4_294_967_295
_HUGE_BITS = 128


class Refused(ValueError):  # noqa: N818 - it never leaves this package
    """A value is refused: why, and a hint what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def refuse(message: str, hint: str = "") -> NoReturn:
    """Raise `Refused`."""
    raise Refused(message, hint)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One kind of value: its parser for pydantic, its name, and its JSON Schema."""

    name: str
    parse: Callable[[object], object]
    schema: Mapping[str, object]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)


def quoted(text: str) -> str:
    """Return the text in double quotes, escaped for terminals, cut at `SHOWN` characters."""
    cut = text[:SHOWN]
    safe = "".join(
        f"\\{char}"
        if char in '"\\'
        else char
        if char.isprintable()
        else char.encode("unicode_escape").decode()
        for char in cut
    )
    return f'"{safe}"' + ("…" if len(text) > SHOWN else "")


def described(value: object) -> str:
    """Describe a value in the words of JSON and TOML."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > _HUGE_BITS:
        return "a much larger number"
    if isinstance(value, int | float):
        return str(value)
    names = ((Mapping, "a section"), (list | tuple, "a list"))
    return next((name for form, name in names if isinstance(value, form)), "a date or a time")


def text(value: object) -> str:
    """Parse a string; refuse any other type."""
    if not isinstance(value, str):
        refuse(f"must be text in quotes, not {described(value)}")
    return value


def flag(value: object) -> bool:
    """Parse true or false; refuse numbers and text, such as 1 or "true"."""
    if not isinstance(value, bool):
        hint = ""
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            hint = f"write {value.lower()} without the quotes"
        refuse(f"must be true or false, not {described(value)}", hint)
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(value: object) -> int:
        if isinstance(value, str):
            digits = value.isascii() and value.isdigit()
            hint = f"write {value[:SHOWN]} without the quotes" if digits else ""
            refuse(f"must be a number, not the text {quoted(value)}", hint)
        if isinstance(value, bool) or not isinstance(value, int):
            refuse(f"must be a whole number, not {described(value)}")
        if not low <= value <= high:
            refuse(f"must be from {low} to {high}, not {described(value)}")
        return value

    return parse


def port(value: object) -> int:
    """Parse a port: a number or, as in many config files, text."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value
    if isinstance(number, str):
        refuse(f"must be a port from 1 to 65535, not {quoted(number)}")
    return whole(1, 65535)(number)


def seconds(low: float, high: float) -> Callable[[object], float]:
    """Return a parser of durations from `low` to `high` seconds: Go's text or a number."""

    def parse(value: object) -> float:
        result = _go_duration(value) if isinstance(value, str) else _number(value)
        if not low <= result <= high:
            given = described(value)
            refuse(f"must be from {spelled(low)} to {spelled(high)}, not {given}")
        return result

    return parse


def spelled(duration: float) -> str:
    """Return seconds as text: `1s`, `250ms`, `1h`. Exact to the nanosecond."""
    left = round(duration * NANOSECONDS["s"])
    if left == 0:
        return "0s"
    for unit in ("h", "m", "s", "ms", "us"):
        if left % NANOSECONDS[unit] == 0:
            return f"{left // NANOSECONDS[unit]}{unit}"
    return f"{left}ns"


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"must be a duration, not {described(value)}", 'write "1s", "250ms" or a number')
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        refuse(f"must be a finite number of seconds, not {described(value)}")
    return result


def _go_duration(value: str) -> float:
    """Parse the syntax of Go's time.ParseDuration without signs; cut to nanoseconds, as Go does."""
    if len(value) > SHOWN or not _DURATION.fullmatch(value):
        refuse(f"must be a duration, not {quoted(value)}", _duration_hint(value))
    total = 0
    for digits, fraction, unit in _TERM.findall(value):
        scale = NANOSECONDS[unit]
        total += int(digits or "0") * scale + int(fraction or "0") * scale // 10 ** len(fraction)
    return total / NANOSECONDS["s"]


def _duration_hint(value: str) -> str:
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return f'write "{value}s", or the number {value} without the quotes'
    if value.startswith("-"):
        return "a duration is not negative: write it without the minus"
    return 'write it as "1s", "250ms" or "1m30s"; the units are h, m, s, ms, us and ns'


_DURATION_TEXT = {"type": "string", "pattern": f"^(?:{DURATION})+$", "maxLength": SHOWN}
_DURATION_SCHEMA = {"anyOf": [_DURATION_TEXT, {"type": "number", "exclusiveMinimum": 0}]}
_DURATION_OR_0_SCHEMA = {"anyOf": [_DURATION_TEXT, {"type": "number", "minimum": 0}]}

Port = Annotated[
    int,
    Value(
        "port",
        port,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": "^[0-9]{1,5}$"},
            ]
        },
    ),
]
Timeout = Annotated[float, Value("duration", seconds(1e-9, 60), _DURATION_SCHEMA)]
Interval = Annotated[float, Value("duration", seconds(0.001, 3600), _DURATION_SCHEMA)]
PulseInterval = Annotated[float, Value("duration", seconds(0.01, 3600), _DURATION_SCHEMA)]
DrainTime = Annotated[float, Value("duration", seconds(0, 3600), _DURATION_OR_0_SCHEMA)]
HalfLife = Annotated[float, Value("duration", seconds(0, 86400), _DURATION_OR_0_SCHEMA)]
Flag = Annotated[bool, Value("boolean", flag, {"type": "boolean"})]
Count = Annotated[
    int, Value("number", whole(1, 100), {"type": "integer", "minimum": 1, "maximum": 100})
]
LocalPref = Annotated[
    int, Value("number", whole(0, MAX_U32), {"type": "integer", "minimum": 0, "maximum": MAX_U32})
]
