"""What the operator has drained, in the state folder: it survives a reboot.

A file that cannot be understood is an error and never "nothing is drained", so that no one's
maintenance ends by a damaged file.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from anycast_routed.errors import AccessDeniedError, ConfigError
from anycast_routed.system import files
from anycast_routed.system.directories import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SCHEMA = 1
_LARGEST = 8 << 20  # octets; 10,000 prefixes with the longest reasons are 2 MiB
_LATEST = 253402300799  # the last second of the year 9999, the last that a calendar can show
_CORRUPT = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class UnknownError(ConfigError):
    """Nobody can tell what is drained: the file is damaged, not ours, or closed to us."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order to drain; it stands until it is lifted, or until its time is over."""

    target: str
    """A service's name, or a prefix as the plan writes it: orders are told apart by this text."""
    reason: str
    since: float
    """Wall clock, in seconds since the epoch; `until` too."""
    until: float | None = None


def load(state_dir: Path, now: float) -> tuple[Ordered, ...]:
    """Return the orders that stand at `now` (seconds since the epoch), sorted by target.

    Raises:
        UnknownError: nobody can tell. Whoever knows older orders keeps to them.
        UntrustedError: the way there is over another user's link.
    """
    return tuple(one for one in _all(state_dir) if one.until is None or now < one.until)


def order(state_dir: Path, ordered: Ordered) -> None:
    """Drain a target from now on, in place of an earlier order for it; expired ones are dropped.

    This reads, changes and writes: the verb around it must hold the state folder's lock. (The
    daemon, which only reads, holds the run folder's.)

    Raises:
        UnknownError: the file is damaged, or not ours; it is left as it is.
        CannotWriteError, AccessDeniedError: the file cannot be written; the old orders stand.
    """
    others = [one for one in load(state_dir, ordered.since) if one.target != ordered.target]
    _keep(state_dir, [*others, ordered])


def lift(state_dir: Path, target: str) -> bool:
    """Lift the order for a target; return whether there was one, be it expired.

    The lock and the errors are those of `order`.
    """
    before = _all(state_dir)
    after = [one for one in before if one.target != target]
    if len(after) == len(before):
        return False
    _keep(state_dir, after)
    return True


def _all(state_dir: Path) -> list[Ordered]:
    path = _path(state_dir)
    try:
        text = files.read_own(path, most=_LARGEST)
    except UntrustedError:
        raise
    except AccessDeniedError as error:
        raise _unreadable(path, "we may not read it") from error
    if text is None:
        if os.path.lexists(path):
            raise _unreadable(path, "it is not a regular file of ours, or too large")
        return []
    try:
        raw = json.loads(text)
        if raw["schema"] != _SCHEMA:
            raise _unreadable(path, f"its schema is {raw['schema']!r:.20}, not {_SCHEMA}")
        orders = [_one(fact) for fact in raw["drained"]]
    except _CORRUPT as error:
        raise _unreadable(path, "it is damaged") from error
    return sorted(orders, key=lambda one: one.target)


def _one(fact: dict[str, object]) -> Ordered:
    match fact:
        # It is shown on terminals as it is.
        case {"target": str(target), "reason": str(reason), "since": since, "until": until} if (
            target.isprintable()
        ):
            return Ordered(target, reason, _time(since), None if until is None else _time(until))
        case _:
            raise ValueError(fact)


def _time(value: object) -> float:
    # NaN is not between them either.
    if not isinstance(value, int | float) or not 0 <= value <= _LATEST:
        raise TypeError(value)
    return float(value)


def _keep(state_dir: Path, orders: Iterable[Ordered]) -> None:
    drained = [asdict(one) for one in sorted(orders, key=lambda one: one.target)]
    text = json.dumps({"schema": _SCHEMA, "drained": drained}, indent=1) + "\n"
    files.write(_path(state_dir), text)


def _unreadable(path: Path, why: str) -> UnknownError:
    message = f"cannot tell what is drained: {path}: {why}"
    return UnknownError(message, hint=f"delete {path}, then drain again what should be drained")


def _path(state_dir: Path) -> Path:
    return state_dir / "drains.json"
