"""Parse the text of a config file into plain values, or raise one fault with line and column."""

import json
import re
import tomllib
from typing import NoReturn

from anycast_routed.config.faults import Fault, InvalidConfigError

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")

_MOST_DOTS = 300  # a DNS name has at most 127; tomllib needs a minute for a key with 50,000


class Repeating(dict[str, object]):
    """A JSON object with repeated keys."""

    repeated: tuple[str, ...] = ()


def stop(name: str, message: str, hint: str = "") -> NoReturn:
    """Raise InvalidConfigError with one fault of the whole file."""
    raise InvalidConfigError(name, [Fault("", message, hint)])


def parsed_json(text: str, name: str) -> object:
    """Parse JSON; objects with repeated keys become `Repeating`.

    Raises:
        InvalidConfigError: with the line and column.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise InvalidConfigError(name, [_json_fault(error)]) from None
    except ValueError:
        stop(name, "has a number with too many digits")


def _json_fault(error: json.JSONDecodeError) -> Fault:
    rest = error.doc[error.pos :]
    before = error.doc[: error.pos].rstrip()
    place = f"line {error.lineno}, column {error.colno}"
    if rest.startswith(("//", "/*", "#")):
        return Fault(place, "JSON has no comments", "delete it, or write the config as TOML")
    # Python 3.13 points to the comma, and older ones to the bracket after it.
    if rest.startswith(",") and rest[1:].lstrip().startswith(("}", "]")):
        return Fault(place, "there is a comma before the end", "delete it")
    if rest.startswith(("}", "]")) and before.endswith(","):
        comma = json.JSONDecodeError("", error.doc, len(before) - 1)
        place = f"line {comma.lineno}, column {comma.colno}"
        return Fault(place, "there is a comma before the end", "delete it")
    if not rest.strip():
        return Fault(place, "the file ends too early", "a bracket or a quote is still open")
    if error.msg == "Extra data":
        return Fault(place, "there is text after the end of the config", "delete it")
    return Fault(place, f"broken JSON: {error.msg[:1].lower()}{error.msg[1:]}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object that knows its repeated keys; a lone surrogate in a key is escaped."""
    named = [(key.encode(errors="backslashreplace").decode(), value) for key, value in pairs]
    unique = dict(named)
    if len(unique) == len(named):
        return unique
    keys = [key for key, _ in named]
    result = Repeating(unique)
    result.repeated = tuple(key for key in unique if keys.count(key) > 1)
    return result


def parsed_toml(text: str, name: str) -> dict[str, object]:
    """Parse TOML.

    Raises:
        InvalidConfigError: with the line and column.
    """
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        stop(name, "has a line with too many dots")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
    except ValueError:
        stop(name, "has a number or a date that is not possible")
    place = _TOML_PLACE.search(words)
    lines = text.splitlines() or [""]
    line, column = place.groups() if place else (None, None)
    position = f"line {line or len(lines)}, column {column or len(lines[-1]) + 1}"
    message = f"broken TOML: {_TOML_PLACE.sub('', words)}"
    raise InvalidConfigError(name, [Fault(position, message)])
