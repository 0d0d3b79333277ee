"""The paths that the config names, within the sandbox of the units.

There only two folders may be written, and some others cannot be seen: what the units need beside
that is returned as lines for them and commands before their start.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anycast_routed.setup import service_user
from anycast_routed.setup.units import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.config import Config

_OPEN = (Path("/run/anycast-routed"), Path("/var/lib/anycast-routed"))
_VOLATILE = Path("/run")
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)  # what RuntimeDirectory= takes literally
_LEAST_PARTS = 3  # of a folder: /srv is everybody's, /srv/anycast may be ours


@dataclass(frozen=True, slots=True)
class Needs:
    """What the paths of one config need."""

    lines: list[str] = field(default_factory=list)
    """For the section [Service] of each unit."""
    commands: list[tuple[str, ...]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What no line helps: the units would fail."""
    doubts: list[str] = field(default_factory=list)
    """What `user` may not use as things are."""


def needs(config: Config, user: str) -> Needs:
    """Compare the paths of the config with what `user` sees and may write in the units."""
    found = Needs()
    opened = list(_OPEN)
    for key, path in _written(config):
        place = Path(os.path.realpath(path))
        if fault := service_user.hidden(path):
            found.faults.append(f"{key}: {fault}")
        elif any(place.is_relative_to(one) for one in opened):
            continue
        elif len(place.parts) < _LEAST_PARTS:
            found.faults.append(f"{key}: {place} is not ours alone")
        else:
            opened.append(place)
            _open(found, key, place, user)
    for key, path, wanted in _used(config):
        if fault := service_user.hidden(path):
            found.faults.append(f"{key}: {fault}")
        elif wanted and (fault := service_user.out_of_reach(user, path, wanted)):
            found.doubts.append(f"{key}: {fault}")
    return found


def _open(found: Needs, key: str, place: Path, user: str) -> None:
    there = os.path.exists(place)  # noqa: PTH110 - false too where we ourselves may not look
    if place.is_relative_to(_VOLATILE):
        # It is gone after each boot, so systemd has to make it, and then gives it to the user.
        if there and not service_user.owns(user, place):
            found.faults.append(f"{key}: {place} is not user {user}'s to have")
        elif not _PLAIN.fullmatch(str(place)):
            found.faults.append(f"{key}: {place} is no name that RuntimeDirectory= takes")
        else:
            found.lines.append(f"RuntimeDirectory={place.relative_to(_VOLATILE)}")
        return
    # A folder that is missing would fail the unit before it starts.
    found.lines.append(f"ReadWritePaths={quoted(str(place))}")
    if not there:
        options = ("-d", "-m", "0755", "-o", user, "-g", service_user.group(user))
        found.commands.append(("install", *options, str(place)))
    elif not service_user.may(user, place, os.W_OK | os.X_OK):
        found.doubts.append(f"{key}: user {user} may not write into {place}")


def _written(config: Config) -> Iterator[tuple[str, Path]]:
    yield "daemon.run-dir", config.daemon.run_dir
    yield "daemon.state-dir", config.daemon.state_dir
    yield "router.include-file", config.router.include_file.parent


def _used(config: Config) -> Iterator[tuple[str, Path, int]]:
    """Give the paths that need not be written, and as what they must be open to the user.

    Group bird or frrvty opens a router's sockets, and who lacks that is told elsewhere.
    """
    router = config.router
    yield "router.control-socket", router.control_socket, 0
    yield "router.vty-dir", router.vty_dir, 0
    if (vtysh := Path(router.vtysh)).is_absolute():
        yield "router.vtysh", vtysh, os.X_OK
    if router.template_dir is not None:
        for name in ("bird.conf.j2", "frr.conf.j2"):
            yield "router.template-dir", router.template_dir / name, os.R_OK
    for number, peer in enumerate(config.bgp.peers if config.bgp else ()):
        if peer.password_file is not None and peer.password_file.file.is_absolute():
            yield f"bgp.peers[{number}].password-file", peer.password_file.file, os.R_OK
    for service in config.services:
        if service.dns.pid_file is not None:
            yield f"pid-file of {service.name}", service.dns.pid_file, os.R_OK
