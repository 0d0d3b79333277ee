"""The text of a config file as plain values, or one fault with its line and column."""

import json
import re
import tomllib
from typing import NoReturn

from anycast_routed.config.faults import Fault, InvalidConfigError

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")

_MOST_DOTS = 300  # a DNS name has 127 at most; a key of 50,000 would take tomllib a minute


class Repeating(dict[str, object]):
    """A JSON object in which keys stand twice."""

    repeated: tuple[str, ...] = ()


def stop(name: str, message: str, hint: str = "") -> NoReturn:
    """Refuse a whole file. Raises InvalidConfigError."""
    raise InvalidConfigError(name, [Fault("", message, hint)])


def parsed_json(text: str, name: str) -> object:
    """Parse JSON; objects with repeated keys are `Repeating`. Raises InvalidConfigError."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidConfigError(name, [_json_fault(error, place)]) from None
    except ValueError:
        stop(name, "holds a number with far too many digits")


def _json_fault(error: json.JSONDecodeError, place: str) -> Fault:
    rest = error.doc[error.pos :]
    before = error.doc[: error.pos].rstrip()
    if rest.startswith(("//", "/*", "#")):
        return Fault(place, "JSON has no comments", "delete it, or write the config as TOML")
    if rest.startswith(("}", "]")) and before.endswith(","):
        return Fault(place, "a comma stands before the end", "delete it")
    if not rest.strip():
        return Fault(place, "the file ends too early", "a bracket or a quote is still open")
    if error.msg == "Extra data":
        return Fault(place, "something follows the end of the config", "delete it")
    return Fault(place, f"broken JSON: {error.msg[:1].lower()}{error.msg[1:]}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object that knows its repeated keys. Half characters in a key become visible."""
    named = [(key.encode(errors="backslashreplace").decode(), value) for key, value in pairs]
    unique = dict(named)
    if len(unique) == len(named):
        return unique
    keys = [key for key, _ in named]
    result = Repeating(unique)
    result.repeated = tuple(key for key in unique if keys.count(key) > 1)
    return result


def parsed_toml(text: str, name: str) -> dict[str, object]:
    """Parse TOML. Raises InvalidConfigError."""
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        stop(name, "has a line with far too many dots")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
    except ValueError:
        stop(name, "holds a number or a date that cannot be")
    place = _TOML_PLACE.search(words)
    lines = text.splitlines() or [""]
    line, column = place.groups() if place else (None, None)
    where = f"line {line or len(lines)}, column {column or len(lines[-1]) + 1}"
    message = f"broken TOML: {_TOML_PLACE.sub('', words)}"
    raise InvalidConfigError(name, [Fault(where, message)])
