"""What a BGP speaker of the lab knows: routes and sessions, in one shape for every daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["ipv4", "ipv6"]


@dataclass(frozen=True, slots=True)
class Route:
    """One path to one prefix. `local_pref` and `med` are None when the attribute is absent.

    `as_path` is flat; the members of an AS_SET follow each other. Communities read "65535:0" (names
    such as "no-export" are turned into numbers). `peer` is the address of the neighbor that sent
    the route, "" for an own route.
    """

    prefix: str
    next_hop: str
    local_pref: int | None = None
    med: int | None = None
    as_path: tuple[int, ...] = ()
    communities: tuple[str, ...] = ()
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One BGP session: its state in lower case ("established", "active", ...).

    `established_at` is in seconds since the epoch (whole seconds), None when the session is not up.
    `flaps` counts how often an established session was lost since the daemon's start.
    """

    state: str
    established_at: int | None
    flaps: int
