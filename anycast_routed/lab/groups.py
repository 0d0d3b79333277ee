"""The groups of a host: those of another release have other numbers than those of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.lab.failures import LabError

if TYPE_CHECKING:
    from anycast_routed.lab.host import Host


def group_number(host: Host, name: str) -> int:
    """Return the number of a group of the host, such as the group of BIRD's socket.

    Raises:
        LabError: the host has no such group.
    """
    for line in host.read("/etc/group").splitlines():
        found, _, number, *_ = line.split(":")
        if found == name:
            return int(number)
    message = f"{host.name} has no group {name}"
    raise LabError(message)
