"""Paths of the files in the run directory (`run-dir`) and in the state directory (`state-dir`).

The run directory is emptied by a reboot; the state directory survives it. The lock, and the file
that names its holder, are in both: see `system.lock`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def record(run_dir: Path) -> Path:
    """Return the health record: a run of `apply` or the daemon writes it, the next one reads it."""
    return run_dir / "state.json"


def status(run_dir: Path) -> Path:
    """Return the status file: the daemon writes it; `status`, `reload` and other verbs read it."""
    return run_dir / "status.json"


def handover(run_dir: Path) -> Path:
    """Return the handover mark: the verb `handover` writes it, a daemon that stops reads it."""
    return run_dir / "handover"


def forgive(run_dir: Path) -> Path:
    """Return the request of `undrain` to announce damped services: the daemon reads it."""
    return run_dir / "forgive"


def permission(run_dir: Path, name: str) -> Path:
    """Return a permission of `reload`, such as `force`: the daemon reads it."""
    return run_dir / name


def guard(run_dir: Path) -> Path:
    """Return the file for the script of `anycast-routed-withdraw.service`."""
    return run_dir / "guard"


def drain_orders(state_dir: Path) -> Path:
    """Return the drain orders: `drain` and `undrain` write them, the daemon and `apply` read."""
    return state_dir / "drains.json"


def journal(state_dir: Path) -> Path:
    """Return the journal of changes: the daemon appends to it, `history` reads it."""
    return state_dir / "history.jsonl"


def older_journal(state_dir: Path) -> Path:
    """Return the older half of the journal: a full `history.jsonl` replaces it."""
    return state_dir / "history.jsonl.1"
