"""Requests of a verb to the running daemon: one file each in the run directory.

`forgive` names damped services that the daemon announces again at once. `allow-shrink` has the
digest of the config file that may withdraw most of what is announced, and `force` that of the one
whose changed checks decide without a trial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.state import paths
from anycast_routed.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LARGEST_FORGIVE = 1 << 20  # octets; 10,000 names of services are 0.3 MiB
_LARGEST_DIGEST = 64  # octets: SHA-256 in hexadecimal digits


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


def write_allow_shrink(run_dir: Path, digest: str) -> None:
    """Allow the daemon to take the config file with this digest (`config.digest`).

    Raises:
        CannotWriteError, AccessDeniedError: there is no permission.
    """
    files.write(paths.allow_shrink(run_dir), digest, durable=False)


def read_allow_shrink(run_dir: Path) -> str:
    """Return the digest of the config file that may withdraw most; empty without a permission.

    Raises:
        AccessDeniedError, HostError: the file cannot be read.
    """
    return _read_digest(paths.allow_shrink(run_dir))


def clear_allow_shrink(run_dir: Path) -> None:
    """Delete the permission: it is for one reload, even if the same content comes again.

    Raises:
        CannotWriteError, AccessDeniedError: the permission stays.
    """
    files.remove(paths.allow_shrink(run_dir))


def write_force(run_dir: Path, digest: str) -> None:
    """Ask the daemon to let the changed checks of this config file decide; as `allow-shrink`.

    Raises:
        CannotWriteError, AccessDeniedError: there is no request.
    """
    files.write(paths.force(run_dir), digest, durable=False)


def read_force(run_dir: Path) -> str:
    """Return the digest of the config file whose changed checks decide; empty without a request.

    Raises:
        AccessDeniedError, HostError: the file cannot be read.
    """
    return _read_digest(paths.force(run_dir))


def clear_force(run_dir: Path) -> None:
    """Delete the request: it is for one reload, even if the same content comes again.

    Raises:
        CannotWriteError, AccessDeniedError: the request stays.
    """
    files.remove(paths.force(run_dir))


def _read_digest(path: Path) -> str:
    text = files.read_own(path, most=_LARGEST_DIGEST)
    return (text or "").strip()
