"""Decode the values of JSON files: numbers within bounds, and Health, Flaps and Drain objects.

Keys are in kebab-case, as `documents.plain` writes them. Each function raises ValueError or
TypeError for a damaged value.
"""

from __future__ import annotations

from collections.abc import Mapping

from anycast_routed.model import CheckKey, Drain, Flaps, Health, Stage, Verdict

DAMAGED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What `json.loads`, and a walk over what it returns, raise for a damaged file."""
_LARGEST = 1e10  # as seconds since the boot, 300 years; as a count or a penalty, out of reach
_YEAR_9999 = 253402300799  # the last second that a calendar can show


def checks(raw: object) -> dict[CheckKey, Health]:
    """Return the Health of each check from an object by service, of objects by check."""
    if not isinstance(raw, Mapping):
        raise TypeError(raw)
    return {
        CheckKey(str(service), str(check)): health(one)
        for service, named in raw.items()
        for check, one in named.items()
    }


def sections(raw: object) -> dict[CheckKey, dict[str, object]]:
    """Return the section of each check from an object by service, of objects by check."""
    if not isinstance(raw, Mapping):
        raise TypeError(raw)
    return {
        CheckKey(str(service), str(check)): {str(key): value for key, value in one.items()}
        for service, named in raw.items()
        for check, one in named.items()
    }


def health(raw: object) -> Health:
    """Return a Health from its JSON object."""
    since = _field(raw, "unknown-since")
    return Health(
        verdict=Verdict(str(_field(raw, "verdict"))),
        passes=count(_field(raw, "passes")),
        fails=count(_field(raw, "fails")),
        reason=str(_field(raw, "reason")),
        unknown_since=None if since is None else number(since),
        ever_up=_field(raw, "ever-up") is True,
    )


def flaps(raw: object) -> Flaps:
    """Return the Flaps of one service from its JSON object."""
    return Flaps(
        penalty=number(_field(raw, "penalty")),
        at=number(_field(raw, "at")),
        count=count(_field(raw, "count")),
    )


def drain(raw: object) -> Drain:
    """Return a Drain from its JSON object."""
    return Drain(Stage(str(_field(raw, "stage"))), str(_field(raw, "detail")))


def number(value: object) -> float:
    """Return seconds since the boot, or a penalty: from 0 to 1e10."""
    return _within(value, _LARGEST)


def count(value: object) -> int:
    """Return a whole number from 0 to 1e10."""
    if not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise TypeError(value)
    return value


def wall_clock(value: object) -> float:
    """Return seconds since the epoch, up to the year 9999."""
    return _within(value, _YEAR_9999)


def _within(value: object, largest: float) -> float:
    # The comparison refuses NaN too.
    if not isinstance(value, int | float) or not 0 <= value <= largest:
        raise TypeError(value)
    return float(value)


def _field(raw: object, key: str) -> object:
    if not isinstance(raw, Mapping):
        raise TypeError(raw)
    if key not in raw:
        message = f"{key} is missing"
        raise ValueError(message)
    value: object = raw[key]
    return value
