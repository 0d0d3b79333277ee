"""The status file: what the running daemon knows and the router does not report."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from anycast_routed.decide.service_state import health_by_service
from anycast_routed.errors import AnycastRoutedError
from anycast_routed.model import Finding
from anycast_routed.state import decode, paths
from anycast_routed.state.documents import document
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from anycast_routed.model import CheckKey, Drain, Health

_LARGEST = 8 << 20  # octets; 10,000 prefixes that four peers do not get are 4 MiB


@dataclass(frozen=True, slots=True)
class Live:
    """What the daemon reports about itself at one moment."""

    pid: int
    since: float
    """Wall clock at its start, in seconds since the epoch."""
    config: str
    """The path of the config file."""
    digest: str
    """SHA-256 of the content of the config file that is in force."""
    problems: Mapping[str, str]
    """Present problems: a sentence for each subject, such as `config` or `journal`."""
    findings: tuple[Finding, ...]
    """Sessions and exports that differ from the plan."""
    checks: Mapping[CheckKey, Health]
    trials: Mapping[CheckKey, Health]
    """The health of each changed check that is on trial: it does not decide yet."""
    damped: Mapping[str, str]
    drains: Mapping[str, Drain]
    senses: Mapping[str, object]
    """Which parts of the pulse work, by service."""
    router: str

    @property
    def health(self) -> dict[str, Health]:
        """The combined health of each service."""
        return health_by_service(self.checks)


def keep(run_dir: Path, live: Live) -> None:
    """Write the status file, whole or not at all.

    Raises:
        CannotWriteError, AccessDeniedError: the old file was deleted, since it would mislead.
    """
    facts = {field.name: getattr(live, field.name) for field in fields(live)}
    # The combined health is for other programs; this module reads the checks.
    text = json.dumps(document("daemon", health=live.health, **facts), indent=1) + "\n"
    try:
        files.write(paths.status(run_dir), text, durable=False)
    except AnycastRoutedError:
        with contextlib.suppress(AnycastRoutedError):
            forget(run_dir)
        raise


def load(run_dir: Path) -> Live | None:
    """Return the content of the status file; None if it is missing or damaged.

    Raises:
        AccessDeniedError, HostError: the file cannot be read.
    """
    text = files.read_own(paths.status(run_dir), most=_LARGEST)
    try:
        return None if text is None else _decoded(json.loads(text))
    except decode.DAMAGED:
        return None


def forget(run_dir: Path) -> None:
    """Delete the status file, as a daemon does that ends.

    Raises:
        CannotWriteError, AccessDeniedError: the file stays.
    """
    files.remove(paths.status(run_dir))


def version(run_dir: Path) -> int:
    """Return a number that changes with each write of the status file; 0 if there is none.

    It is the modification time in nanoseconds: each write makes a new file.
    """
    try:
        return paths.status(run_dir).stat().st_mtime_ns
    except OSError:
        return 0


def _decoded(raw: dict[str, Any]) -> Live:
    return Live(
        pid=int(raw["pid"]),
        since=decode.wall_clock(raw["since"]),
        config=str(raw["config"]),
        digest=str(raw["digest"]),
        problems=_sentences(raw["problems"]),
        # A daemon of version 0.1.0 has neither: it may still run after an upgrade.
        findings=_findings(raw.get("findings", ())),
        checks=decode.checks(raw.get("checks") or _of_older_version(raw["health"])),
        trials=decode.checks(raw.get("trials", {})),
        damped=_sentences(raw["damped"]),
        drains={name: decode.drain(one) for name, one in raw["drains"].items()},
        senses=dict(raw["senses"]),
        router=str(raw["router"]),
    )


def _findings(raw: Iterable[dict[str, str]]) -> tuple[Finding, ...]:
    """Return the findings, without those whose codes only a newer version knows."""
    found = []
    for one in raw:
        with contextlib.suppress(ValueError):
            found.append(Finding.of_facts(one))
    return tuple(found)


def _of_older_version(services: dict[str, object]) -> dict[str, object]:
    """Return the health by service and check; each service had one DNS check."""
    return {service: {"dns": health} for service, health in services.items()}


def _sentences(raw: dict[str, object]) -> dict[str, str]:
    return {about: str(said) for about, said in raw.items()}
