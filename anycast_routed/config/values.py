"""How the values of the config file are read: refusals, whole numbers and durations.

A parser takes what JSON or TOML gave it and returns the value, or raises `Refused` with a
sentence for the operator. It takes a value of its own result type too, so that code can build a
section from parts.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, NoReturn

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

SHOWN = 60
"""The longest piece of the operator's text that a message repeats, in characters."""

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


class Refused(ValueError):  # noqa: N818 - a verdict on one value, which never leaves this package
    """A value that cannot stand: why, and what to write in its place."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def refuse(message: str, hint: str = "") -> NoReturn:
    """Raise `Refused`."""
    raise Refused(message, hint)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One kind of value: its parser for pydantic, its name and its JSON Schema for people."""

    name: str
    parse: Callable[[object], object]
    schema: Mapping[str, object]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)


def quoted(text: str) -> str:
    """Give the text in double quotes, safe for a terminal and a log, cut at `SHOWN` characters."""
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
    """Say what a value of the file is, in the words of JSON and TOML."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > _HUGE_BITS:
        return "a far larger number"
    if isinstance(value, int | float):
        return str(value)
    names = ((Mapping, "a section"), (list | tuple, "a list"))
    return next((name for form, name in names if isinstance(value, form)), "a date or a time")


def text(value: object) -> str:
    """Take a string; anything else is refused."""
    if not isinstance(value, str):
        refuse(f"must be text in quotes, not {described(value)}")
    return value


def flag(value: object) -> bool:
    """Take true or false; a number or a text that might mean one of them is refused."""
    if not isinstance(value, bool):
        hint = ""
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            hint = f"write {value.lower()} without the quotes"
        refuse(f"must be true or false, not {described(value)}", hint)
    return value


def whole(low: int, high: int) -> Callable[[object], int]:
    """Make the parser of a whole number from `low` to `high`."""

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
    """Take a port as a number or, as in many such files, as text."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value
    if isinstance(number, str):
        refuse(f"must be a port from 1 to 65535, not {quoted(number)}")
    return whole(1, 65535)(number)


def seconds(low: float, high: float) -> Callable[[object], float]:
    """Make the parser of a duration from `low` to `high` seconds, as Go text or as a number."""

    def parse(value: object) -> float:
        result = _go_duration(value) if isinstance(value, str) else _number(value)
        if not low <= result <= high:
            given = described(value)
            refuse(f"must be from {spelled(low)} to {spelled(high)}, not {given}")
        return result

    return parse


def spelled(duration: float) -> str:
    """Write seconds as a person would: `1s`, `250ms`, `1h`. Exact to the nanosecond."""
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
    """Read Go's time.ParseDuration syntax, without signs, cut to whole nanoseconds as Go does."""
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
        return "time runs forward only: write it without the minus"
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
