"""The health record: what a run leaves for the next run of the same boot.

It is in the run directory, and has the identity of the boot (random(4), `boot_id`), so that no
verdict survives a reboot even if that directory is on a disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anycast_routed.errors import AnycastRoutedError
from anycast_routed.model import Permit
from anycast_routed.state import decode, paths
from anycast_routed.state.documents import plain
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.model import CheckKey, Flaps, Health, Prefix

_SCHEMA = 3
_OLDER_SCHEMA = 2  # one Health for each service, with its keys in snake_case
_LARGEST = 4 << 20  # octets; 10,000 prefixes that are drained one by one are 0.4 MiB
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Record:
    """What one run knows for the next run of the same boot."""

    boot: str
    router: str
    """The router's name and incarnation at the end of the run."""
    health: dict[CheckKey, Health] = field(default_factory=dict)
    flaps: dict[str, Flaps] = field(default_factory=dict)
    """How often each service has recently gone down."""
    lowered: dict[str, float] = field(default_factory=dict)
    """When each drained service or prefix was first seen lowered, in monotonic seconds."""
    config: str = ""
    """The digest of the config file that was last applied; empty if it is not known."""
    blackholes: dict[Prefix, Permit] | None = field(default_factory=dict)
    """What may be announced whose address is elsewhere; None if an older version wrote this."""
    checks: dict[CheckKey, dict[str, object]] = field(default_factory=dict)
    """What each verdict is about: see `recorded_checks`. Empty if an older version wrote this."""
    tried: dict[CheckKey, dict[str, object]] = field(default_factory=dict)
    """The changed checks on trial, which did not decide yet."""
    trials: dict[CheckKey, Health] = field(default_factory=dict)
    """The health of each of them."""


def this_boot() -> str:
    """Return the identity of this boot of the host."""
    return _BOOT_ID.read_text(encoding="utf-8").strip()


def load(run_dir: Path) -> Record | None:
    """Return the last run's record; None after a reboot, or if it is missing or damaged.

    A record of the older schema 2 is read too, so that an upgrade causes no withdrawal. A lost
    record costs a few probes and, at most, a withdrawal before them: never a false announcement.
    """
    try:
        text = files.read_own(paths.record(run_dir), most=_LARGEST)
        record = None if text is None else _decoded(json.loads(text))
    except (AnycastRoutedError, *decode.DAMAGED):
        return None
    return record if record is not None and record.boot == this_boot() else None


def keep(run_dir: Path, record: Record) -> None:
    """Write the record, unless the file has the same facts already.

    It need not be durable: a power failure ends the boot that the record is about.

    Raises:
        CannotWriteError, AccessDeniedError: as `files.write`.
    """
    if load(run_dir) == record:
        return
    facts = {one.name: plain(getattr(record, one.name)) for one in fields(record)}
    text = json.dumps({"schema": _SCHEMA, **facts}, indent=1, sort_keys=True) + "\n"
    files.write(paths.record(run_dir), text, durable=False)


def _decoded(raw: dict[str, Any]) -> Record:
    if raw["schema"] not in {_SCHEMA, _OLDER_SCHEMA}:
        raise ValueError(raw["schema"])
    is_old = raw["schema"] == _OLDER_SCHEMA
    return Record(
        boot=str(raw["boot"]),
        router=str(raw["router"]),
        health=decode.checks(_of_older_schema(raw["health"]) if is_old else raw["health"]),
        flaps={str(name): decode.flaps(one) for name, one in raw["flaps"].items()},
        lowered={str(target): decode.number(at) for target, at in raw["lowered"].items()},
        config=str(raw["config"]),
        blackholes=_blackholes(raw.get("blackholes")),
        checks=decode.sections(raw.get("checks", {})),
        tried=decode.sections(raw.get("tried", {})),
        trials=decode.checks(raw.get("trials", {})),
    )


def _blackholes(raw: object) -> dict[Prefix, Permit] | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise TypeError(raw)
    return {ip_network(prefix): Permit(permit) for prefix, permit in raw.items()}


def _of_older_schema(services: dict[str, dict[str, object]]) -> dict[str, object]:
    """Return the health by service and check; each service had one DNS check."""
    return {
        service: {"dns": {key.replace("_", "-"): value for key, value in health.items()}}
        for service, health in services.items()
    }
