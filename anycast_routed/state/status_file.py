"""The status file: what the running daemon knows that the router does not."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from anycast_routed.decide.service_state import health_by_service
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.finding import Finding
from anycast_routed.model import CheckKey, Drain, Health, Stage, Verdict
from anycast_routed.state.documents import document
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LARGEST = 8 << 20  # octets; 10,000 prefixes that four peers do not get are 4 MiB
_LATEST = 253402300799  # the last second of the year 9999, the last that a calendar can show
_CORRUPT = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Live:
    """The daemon at one moment."""

    pid: int
    since: float
    """Wall clock of its start, in seconds since the epoch."""
    config: str
    """The config file."""
    digest: str
    """SHA-256 of the config file's content that is in force."""
    problems: Mapping[str, str]
    """What is wrong now, by what it concerns."""
    findings: tuple[Finding, ...]
    """Sessions and exports that are not as they should be."""
    checks: Mapping[CheckKey, Health]
    damped: Mapping[str, str]
    drains: Mapping[str, Drain]
    senses: Mapping[str, object]
    """Which senses of the pulse work, by service."""
    router: str

    @property
    def health(self) -> dict[str, Health]:
        """The combined health of each service."""
        return health_by_service(self.checks)


def keep(run_dir: Path, live: Live) -> None:
    """Write the status file, whole or not at all.

    Raises:
        CannotWriteError, AccessDeniedError: there is none then, since an old one would mislead.
    """
    facts = {field.name: getattr(live, field.name) for field in fields(live)}
    # The combined health is for other programs; this module reads the checks.
    facts |= {"findings": [one.facts() for one in live.findings]}
    facts |= {"checks": _by_service(live.checks), "health": live.health}
    text = json.dumps(document("daemon", **facts), indent=1) + "\n"
    try:
        files.write(_path(run_dir), text, durable=False)
    except AnycastRoutedError:
        with contextlib.suppress(AnycastRoutedError):
            forget(run_dir)
        raise


def load(run_dir: Path) -> Live | None:
    """Read the status file; None where there is none, or where it is damaged.

    Raises:
        AccessDeniedError: we may not read it.
    """
    text = files.read_own(_path(run_dir), most=_LARGEST)
    try:
        return None if text is None else _live(json.loads(text))
    except _CORRUPT:
        return None


def forget(run_dir: Path) -> None:
    """Delete the status file: the daemon ends."""
    files.remove(_path(run_dir))


def _live(raw: dict[str, Any]) -> Live:
    return Live(
        pid=int(raw["pid"]),
        since=_wall_clock(raw["since"]),
        config=str(raw["config"]),
        digest=str(raw["digest"]),
        problems=_sentences(raw["problems"]),
        # A daemon of version 0.1.0 has none.
        findings=tuple(Finding.of_facts(one) for one in raw.get("findings", ())),
        checks={
            CheckKey(service, check): Health(
                Verdict(one["verdict"]),
                passes=one["passes"],
                fails=one["fails"],
                reason=str(one["reason"]),
                unknown_since=one["unknown-since"],
                ever_up=one["ever-up"],
            )
            for service, checks in _checks(raw).items()
            for check, one in checks.items()
        },
        damped=_sentences(raw["damped"]),
        drains={
            name: Drain(Stage(one["stage"]), str(one["detail"]))
            for name, one in raw["drains"].items()
        },
        senses=dict(raw["senses"]),
        router=str(raw["router"]),
    )


def _by_service(checks: Mapping[CheckKey, Health]) -> dict[str, dict[str, Health]]:
    nested: dict[str, dict[str, Health]] = {}
    for key, health in checks.items():
        nested.setdefault(key.service, {})[key.check] = health
    return nested


def _checks(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the checks by service and name; a daemon of version 0.1.0 has one a service."""
    if "checks" in raw:
        return dict(raw["checks"])
    return {service: {"dns": health} for service, health in raw["health"].items()}


def _sentences(raw: dict[str, object]) -> dict[str, str]:
    return {about: str(said) for about, said in raw.items()}


def _wall_clock(value: float) -> float:
    if not 0 <= value <= _LATEST:  # NaN is not between them either.
        raise ValueError(value)
    return float(value)


def _path(run_dir: Path) -> Path:
    return run_dir / "status.json"
