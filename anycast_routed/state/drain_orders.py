"""The operator's drain orders, in the state directory: they survive a reboot.

A file that cannot be read is an error and never counts as "nothing is drained", so that a damaged
file does not end a maintenance.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from anycast_routed.errors import AnycastRoutedError, ConfigError
from anycast_routed.state import decode, paths
from anycast_routed.system import files
from anycast_routed.system.directories import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SCHEMA = 1
_LARGEST = 8 << 20  # octets; 10,000 prefixes with the longest reasons are 2 MiB


class UnknownError(ConfigError):
    """What is drained is unknown: the file is damaged, unreadable, or another user's."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order to drain; it is in force until it is lifted or expires."""

    target: str
    """A service's name, or a prefix as the plan writes it. There is one order for each target."""
    reason: str
    since: float
    """Wall clock, in seconds since the epoch; `until` too."""
    until: float | None = None


def load(state_dir: Path, now: float) -> tuple[Ordered, ...]:
    """Return the orders in force at `now` (seconds since the epoch), sorted by target.

    Raises:
        UnknownError: the file cannot be understood. A caller with older orders keeps those.
        UntrustedError: the path contains another user's link.
    """
    return tuple(one for one in _all(state_dir) if one.until is None or now < one.until)


def order(state_dir: Path, ordered: Ordered) -> None:
    """Drain a target from now on; replace an earlier order for it, and drop expired orders.

    This reads, changes and writes the file: the caller must hold the state directory's lock. (The
    daemon, which only reads the file, holds the run directory's.)

    Raises:
        UnknownError: the file is damaged, unreadable, or another user's; it stays as it is.
        CannotWriteError, AccessDeniedError: the file cannot be written; the old orders stay.
    """
    others = [one for one in load(state_dir, ordered.since) if one.target != ordered.target]
    _keep(state_dir, [*others, ordered])


def lift(state_dir: Path, target: str) -> bool:
    """Delete the order for a target; return whether there was one, expired or not.

    The caller holds the lock, and the errors are the same, as for `order`.
    """
    before = _all(state_dir)
    after = [one for one in before if one.target != target]
    if len(after) == len(before):
        return False
    _keep(state_dir, after)
    return True


def _all(state_dir: Path) -> list[Ordered]:
    path = paths.drain_orders(state_dir)
    try:
        text = files.read_own(path, most=_LARGEST)
    except UntrustedError:
        raise
    except AnycastRoutedError as error:
        raise _unknown(path, "it cannot be read") from error
    if text is None:
        if os.path.lexists(path):
            reason = "it is not a regular file, or belongs to another user, or is too large"
            raise _unknown(path, reason)
        return []
    try:
        raw = json.loads(text)
        if raw["schema"] != _SCHEMA:
            raise _unknown(path, f"its schema is {raw['schema']!r:.20}, not {_SCHEMA}")
        orders = [_ordered(fact) for fact in raw["drained"]]
    except decode.DAMAGED as error:
        raise _unknown(path, "it is damaged") from error
    return sorted(orders, key=lambda one: one.target)


def _ordered(fact: dict[str, object]) -> Ordered:
    match fact:
        # The target is shown on terminals as it is.
        case {"target": str(target), "reason": str(reason), "since": since, "until": until} if (
            target.isprintable()
        ):
            end = None if until is None else decode.wall_clock(until)
            return Ordered(target, reason, decode.wall_clock(since), end)
        case _:
            raise ValueError(fact)


def _keep(state_dir: Path, orders: Iterable[Ordered]) -> None:
    drained = [asdict(one) for one in sorted(orders, key=lambda one: one.target)]
    text = json.dumps({"schema": _SCHEMA, "drained": drained}, indent=1) + "\n"
    files.write(paths.drain_orders(state_dir), text)


def _unknown(path: Path, why: str) -> UnknownError:
    message = f"cannot tell what is drained: {path}: {why}"
    return UnknownError(message, hint=f"delete {path}, then drain again what should be drained")
