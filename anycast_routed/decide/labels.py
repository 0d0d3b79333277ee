"""The labels of addresses: which ones a service uses, and in what order."""

from __future__ import annotations

import re
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anycast_routed.config import Anycast
    from anycast_routed.model import Observed


def natural(label: str) -> tuple[tuple[int, str], ...]:
    """Return the sort key that puts dns2 before dns10. Different labels have different keys."""
    parts = re.split("([0-9]+)", label)
    parts[1::2] = (digits.lstrip("0") for digits in parts[1::2])
    # Runs of digits compare by length and then as text: the same order, whatever their length.
    return (*((len(part) * (at % 2), part) for at, part in enumerate(parts)), (-1, label))


def label_start(anycast: Anycast) -> str | None:
    """Return how a label of this section starts, `lo:dns`; None if it uses no labels."""
    if anycast.interface is None or anycast.prefix is None:
        return None
    return f"{anycast.interface}:{anycast.prefix}"


def labelled(anycast: Anycast, start: str, observed: Observed) -> set[tuple[str, IPv4Interface]]:
    """Return the addresses whose label starts like this, with their labels."""
    return {
        (host.label, host.address)
        for host in observed.addresses
        if host.interface == anycast.interface
        and host.label.startswith(start)
        and isinstance(host.address, IPv4Interface)
    }


def order(found: tuple[str, IPv4Interface]) -> tuple[tuple[tuple[int, str], ...], int, int]:
    """Return the sort key of a labelled address: its place decides its LocalPref."""
    label, address = found
    return natural(label), int(address.ip), -address.network.prefixlen
