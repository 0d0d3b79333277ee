"""What a one-shot run leaves for the next one of the same boot: health, and which router it met.

It lives in the run folder and carries the boot's identity (random(4), `boot_id`), so that no
verdict survives a boot even where that folder is on a disk.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from anycast_routed.errors import AccessDeniedError
from anycast_routed.model import CheckKey, Flaps, Health, Verdict
from anycast_routed.system import files

_SCHEMA = 2
_LARGEST = 4 << 20  # octets; 10,000 prefixes that are drained one by one are 0.4 MiB
_MOST = 1e10  # no machine is up for 300 years
_CORRUPT = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Record:
    """The state between two runs of the same boot."""

    boot: str
    router: str
    """The router's name and incarnation when we last reconciled."""
    health: dict[CheckKey, Health] = field(default_factory=dict)
    flaps: dict[str, Flaps] = field(default_factory=dict)
    """How often each service has gone down of late."""
    lowered: dict[str, float] = field(default_factory=dict)
    """When each drained service or prefix was first seen lowered, in monotonic seconds."""
    config: str = ""
    """The digest of the config file that was last carried out; empty where that is not known."""


def this_boot() -> str:
    """Return the identity of this boot of the machine."""
    return _BOOT_ID.read_text(encoding="utf-8").strip()


def load(run_dir: Path) -> Record | None:
    """Return the last run's record; None after a boot, or where it is missing or corrupt.

    A lost record costs a few probes and, at most, a withdrawal before them: never a false
    announcement.
    """
    try:
        text = files.read_own(_path(run_dir), most=_LARGEST)
        if text is None:
            return None
        raw = json.loads(text)
        health = {
            CheckKey(str(service), str(check)): _health(one)
            for service, checks in raw["health"].items()
            for check, one in checks.items()
        }
        flaps = {
            str(name): Flaps(_number(one["penalty"]), _number(one["at"]), _count(one["count"]))
            for name, one in raw["flaps"].items()
        }
        lowered = {str(target): _number(at) for target, at in raw["lowered"].items()}
        record = Record(
            str(raw["boot"]), str(raw["router"]), health, flaps, lowered, str(raw["config"])
        )
    except (AccessDeniedError, *_CORRUPT):
        return None
    return record if raw.get("schema") == _SCHEMA and record.boot == this_boot() else None


def keep(run_dir: Path, record: Record) -> None:
    """Write the record unless it stands there already.

    A power cut ends the boot that it is about, so it need not be durable.
    """
    if load(run_dir) == record:
        return
    health: dict[str, dict[str, object]] = {}
    for key, one in record.health.items():
        health.setdefault(key.service, {})[key.check] = asdict(one)
    facts = {"schema": _SCHEMA, **asdict(replace(record, health={})), "health": health}
    text = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    files.write(_path(run_dir), text, durable=False)


def _health(one: dict[str, Any]) -> Health:
    since = one["unknown_since"]
    return Health(
        verdict=Verdict(one["verdict"]),
        passes=_count(one["passes"]),
        fails=_count(one["fails"]),
        reason=str(one["reason"]),
        unknown_since=None if since is None else _number(since),
        ever_up=one["ever_up"] is True,
    )


def _number(value: object) -> float:
    """Return seconds since the boot, or a penalty; NaN is not between the bounds either."""
    if not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise TypeError(value)
    return float(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MOST:
        raise TypeError(value)
    return value


def _path(run_dir: Path) -> Path:
    return run_dir / "state.json"
