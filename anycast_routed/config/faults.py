"""Faults of a config file: the key's path, what is wrong, and what to write instead."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from anycast_routed.config.rules import Loc
from anycast_routed.config.values import SHOWN, Refused, described, quoted
from anycast_routed.errors import ConfigError, Exit

_PRINTED = 100
"""The most faults that are printed; a file with more is probably no config file."""
_NEAR = 0.65
"""How similar two keys must be for a hint that one is a misspelling (difflib's ratio)."""
_PLAIN = re.compile("[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, with a path such as `bgp.peers[1].as`, or the line and column of broken syntax."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f"; {self.hint}" if self.hint else "")


class InvalidConfigError(ConfigError):
    """A config file with faults; the message has one line for each fault."""

    def __init__(self, file: str, faults: Iterable[Fault]) -> None:
        self.file = file
        self.faults = tuple(faults)
        shown = file if file.isprintable() else quoted(file)
        lines = [f"{shown}: {fault}" for fault in self.faults[:_PRINTED]]
        if len(self.faults) > _PRINTED:
            lines.append(f"{shown}: and {len(self.faults) - _PRINTED} more faults")
        super().__init__("\n".join(lines))


class UnreadableConfigError(InvalidConfigError):
    """A config file that this user may not read; its content may be correct."""

    exit_code = Exit.PERMISSION


def spelled(loc: Loc) -> str:
    """Return a location as a path, such as `services[2].dns.port`."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            path += f".{part}" if path else part
        else:
            path += f"[{quoted(part)}]"
    return path


def explained(error: ValidationError) -> Iterable[tuple[Loc, str, str]]:
    """Yield the location, message and hint of each of pydantic's errors."""
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic does not count list entries that are faulty themselves
        context = detail.get("ctx", {})
        message, hint = _words(detail["type"], loc, detail["input"], context)
        yield loc, message, hint


def _words(kind: str, loc: Loc, given: object, context: Mapping[str, object]) -> tuple[str, str]:
    refused = context.get("error")
    if isinstance(refused, Refused):
        return refused.message, refused.hint
    if kind == "extra_forbidden":
        return "is not a key of this section", _nearest(loc)
    if kind == "missing":
        return "is missing", _purpose(loc)
    shown = described(given)
    choice = str(context.get("expected", "")).replace("'", '"')
    words = {
        "model_type": (f"must be a section, not {shown}", ""),
        "tuple_type": (f"must be a list, not {shown}", "write it in [ ]"),
        "too_short": ("must not be an empty list", "write at least one entry"),
        "literal_error": (f"must be {choice}, not {shown}", ""),
    }
    return words.get(kind, (f"cannot be {shown}", ""))


def _nearest(loc: Loc) -> str:
    """Return a hint: the key that was probably meant, or the section where the key belongs.

    The imports are here because most files have no unknown key.
    """
    from difflib import get_close_matches  # noqa: PLC0415

    from anycast_routed.config.keys import every, known  # noqa: PLC0415

    wrong = str(loc[-1])
    keys = list(known(loc[:-1]))
    spelling = re.sub("[_ ]", "-", wrong[:SHOWN]).lower()
    sections = dict.fromkeys(key.place for key in every() if key.name == spelling)
    if sections and spelling not in keys:
        where = [f"in {path}" if path else "at the top" for path in sections]
        return f"it belongs {' or '.join(where)}"
    near = get_close_matches(spelling, keys, n=1, cutoff=_NEAR)
    return f'did you mean "{near[0]}"?' if near else f"its keys are {', '.join(sorted(keys))}"


def _purpose(loc: Loc) -> str:
    """Return the key's description as a hint, without its capital letter and its full stop."""
    from anycast_routed.config.keys import known  # noqa: PLC0415

    field = known(loc[:-1]).get(str(loc[-1]))
    text = (field.description or "") if field else ""
    start = text[:1] if text[1:2].isupper() else text[:1].lower()
    return (start + text[1:]).rstrip(".")
