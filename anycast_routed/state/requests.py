"""Requests of a verb to the running daemon: one file each in the run directory.

`forgive` names damped services that the daemon announces again at once. A permission has the digest
of the config file that it is for.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from anycast_routed.state import paths
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LARGEST_FORGIVE = 1 << 20  # octets; 10,000 names of services are 0.3 MiB
_LARGEST_DIGEST = 64  # octets: SHA-256 in hexadecimal digits


class Permission(StrEnum):
    """What a reload may do, by the name of its file."""

    SHRINK = "allow-shrink"
    """Withdraw most of what is announced."""
    FORCE = "force"
    """Let changed checks decide without a trial."""


def write_forgive(run_dir: Path, services: Iterable[str]) -> None:
    """Ask the daemon to forget how often these services have flapped; replaces an older request.

    Raises:
        CannotWriteError, AccessDeniedError: there is no request.
    """
    text = "".join(f"{name}\n" for name in services)
    files.write(paths.forgive(run_dir), text, durable=False)


def read_forgive(run_dir: Path) -> tuple[str, ...]:
    """Return the names of the services to forgive; none without a request.

    Raises:
        AccessDeniedError, HostError: the file cannot be read.
    """
    text = files.read_own(paths.forgive(run_dir), most=_LARGEST_FORGIVE)
    return tuple((text or "").split())


def clear_forgive(run_dir: Path) -> None:
    """Delete the request, so that a later one with the same names is seen as a new one.

    Raises:
        CannotWriteError, AccessDeniedError: the request stays.
    """
    files.remove(paths.forgive(run_dir))


def permit(run_dir: Path, permission: Permission, digest: str) -> None:
    """Permit this for the config file with this digest (`config.digest`).

    Raises:
        CannotWriteError, AccessDeniedError: there is no permission.
    """
    files.write(paths.permission(run_dir, permission), digest, durable=False)


def is_permitted(run_dir: Path, permission: Permission, digest: str) -> bool:
    """Tell whether this is permitted for the config file with this digest.

    Raises:
        AccessDeniedError, HostError: the file cannot be read.
    """
    text = files.read_own(paths.permission(run_dir, permission), most=_LARGEST_DIGEST)
    return (text or "").strip() == digest


def revoke(run_dir: Path, permission: Permission) -> None:
    """Delete the permission: it is for one reload, even if the same content comes again.

    Raises:
        CannotWriteError, AccessDeniedError: the permission stays.
    """
    files.remove(paths.permission(run_dir, permission))
