"""BGP routes and sessions as values: the same types for BIRD, FRR, gobgpd and the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["ipv4", "ipv6"]


@dataclass(frozen=True, slots=True)
class Route:
    """One path to one prefix. `local_pref` and `med` are None if the attribute is absent.

    `as_path` is flat: the members of an AS_SET are listed one after the other. Communities have the
    form "65535:0"; names such as "no-export" are converted. `peer` is the address of the neighbor
    that sent the route, "" for a local route.
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
    """One BGP session. `state` is in lower case: "established", "active", ...

    `established_at` is in whole seconds since the epoch, None if the session is not established.
    `flaps` counts how often the session left Established since the daemon started.
    """

    state: str
    established_at: int | None
    flaps: int
