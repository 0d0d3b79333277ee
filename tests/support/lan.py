"""Hosts on the LAN of the test site: 172.17.2.0/24 and fd00:17:2::/64."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anycast_routed.lab import Host, Lab


def lan_host(lab: Lab, name: str, number: int) -> Host:
    """Add a host with the addresses 172.17.2.`number` and fd00:17:2::`number` in hexadecimal."""
    host = lab.host(name)
    lab.lan("lan", host)
    host.address("eth0", f"172.17.2.{number}/24")
    return host.address("eth0", f"fd00:17:2::{number:x}/64")
