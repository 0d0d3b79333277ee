"""Compute what the sandbox of the units needs for the paths in the config.

The units may write to two directories only, and some directories are hidden from them. Paths
elsewhere need extra lines in the units, and commands that run before the units start.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.announce.render import template_files
from anycast_routed.setup import service_user
from anycast_routed.setup.units import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.config import Config

_WRITABLE = (Path("/run/anycast-routed"), Path("/var/lib/anycast-routed"))
_RUN = Path("/run")
_RUNTIME_DIRECTORY = re.compile(r"[\w./-]+", re.ASCII)  # what RuntimeDirectory= takes literally
_LEAST_PARTS = 3  # of a path: /srv is shared, /srv/anycast can belong to anycast-routed alone


@dataclass(frozen=True, slots=True)
class Needs:
    """What the units need for the paths of one config."""

    lines: list[str] = field(default_factory=list)
    """Lines for the section [Service] of each unit."""
    commands: list[tuple[str, ...]] = field(default_factory=list)
    """Commands to run before the units start."""
    faults: list[str] = field(default_factory=list)
    """Paths that cannot work in the units, whatever their lines: the units would fail."""
    doubts: list[str] = field(default_factory=list)
    """Paths that the user may not use with their present owner and mode."""


def needs(config: Config, user: str) -> Needs:
    """Compare the paths in the config with what `user` can see and write in the units."""
    found = Needs()
    writable = list(_WRITABLE)
    for key, path in _written(config):
        place = Path(os.path.realpath(path))
        if fault := service_user.hiding_problem(path):
            found.faults.append(f"{key}: {fault}")
        elif any(place.is_relative_to(one) for one in writable):
            continue
        elif len(place.parts) < _LEAST_PARTS:
            found.faults.append(f"{key}: {place} is shared with other programs")
        else:
            writable.append(place)
            _make_writable(found, key, place, user)
    for key, path, wanted in _used(config):
        if fault := service_user.hiding_problem(path):
            found.faults.append(f"{key}: {fault}")
        elif wanted and (fault := service_user.access_problem(user, path, wanted)):
            found.doubts.append(f"{key}: {fault}")
    return found


def _make_writable(found: Needs, key: str, place: Path, user: str) -> None:
    """Add to `found` what makes the directory `place` writable for `user` in the units."""
    exists = os.path.exists(place)  # noqa: PTH110 - False also without access
    if place.is_relative_to(_RUN):
        # /run is empty after a boot: systemd must create the directory, and gives it to the user.
        if exists and not service_user.owns(user, place):
            found.faults.append(f"{key}: {place} does not belong to user {user}")
        elif not _RUNTIME_DIRECTORY.fullmatch(str(place)):
            found.faults.append(
                f"{key}: {place} has characters that RuntimeDirectory= does not take"
            )
        else:
            found.lines.append(f"RuntimeDirectory={place.relative_to(_RUN)}")
        return
    # The unit cannot start if a directory in ReadWritePaths= is missing.
    found.lines.append(f"ReadWritePaths={quoted(str(place))}")
    if not exists:
        options = ("-d", "-m", "0755", "-o", user, "-g", service_user.group(user))
        found.commands.append(("install", *options, str(place)))
    elif not service_user.has_access(user, place, os.W_OK | os.X_OK):
        found.doubts.append(f"{key}: user {user} may not write to {place}")


def _written(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield the config key and the path of each directory that the units write to."""
    yield "daemon.run-dir", config.daemon.run_dir
    yield "daemon.state-dir", config.daemon.state_dir
    yield "router.include-file", config.router.include_file.parent


def _used(config: Config) -> Iterator[tuple[str, Path, int]]:
    """Yield the config key, the path and the access that is needed of each path not written to.

    The access is a mode of os.access(); 0 for a router's socket, which group bird or frrvty
    opens: `setup` warns elsewhere if the user is not in that group.
    """
    router = config.router
    yield "router.control-socket", router.control_socket, 0
    yield "router.vty-dir", router.vty_dir, 0
    if (vtysh := Path(router.vtysh)).is_absolute():
        yield "router.vtysh", vtysh, os.X_OK
    for template in template_files(router.template_dir):
        yield "router.template-dir", template, os.R_OK
    for number, peer in enumerate(config.bgp.peers if config.bgp else ()):
        if peer.password_file is not None and peer.password_file.file.is_absolute():
            yield f"bgp.peers[{number}].password-file", peer.password_file.file, os.R_OK
    for service in config.services:
        if service.dns.pid_file is not None:
            yield f"pid-file of {service.name}", service.dns.pid_file, os.R_OK
