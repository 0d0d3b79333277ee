"""What the releases of BIRD do differently, one row for each release that changed something.

tests/announce/bird/test_bird_behaviour.py pins the names of the attributes. The pause of a new
session was measured on BIRD 2.0.12, and the releases that crash are those that BIRD's NEWS names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from anycast_routed.announce.release import newest, numbers, refuse_older, untried
from anycast_routed.model import Code, Finding, Version

TRIED = (3, 4, 0)
"""The newest release of the tests."""
_GREETING = re.compile(r"\bBIRD (\S+)")


@dataclass(frozen=True, slots=True)
class Release:
    """How BIRD works from one release on."""

    since: tuple[int, ...]
    local_pref: tuple[str, ...]
    """The names of LocalPref in `show route all`; a route has at most one of them."""
    next_hop: tuple[str, ...]
    """The names of the next hop in `show route all`."""
    communities: tuple[str, ...]
    """The names of the communities in `show route all`."""
    silent_for: float
    """Seconds after a session comes up in which nothing may be exported."""


RELEASES = (
    Release(
        since=(2, 0, 12),  # Debian 12
        local_pref=("BGP.local_pref",),
        next_hop=("BGP.next_hop",),
        communities=("BGP.community",),
        # Routes are held back for 3 s from the start of a session, unless a new connection to the
        # control socket wakes BIRD.
        silent_for=3.0,
    ),
    Release(
        since=(3,),  # Debian 13 has 3.1.8 in its package bird3
        # With `cli { v2 attributes; }` (3.1) BIRD 3 uses the names of BIRD 2.
        local_pref=("bgp_local_pref", "BGP.local_pref"),
        next_hop=("bgp_next_hop", "BGP.next_hop"),
        communities=("bgp_community", "BGP.community"),
        silent_for=3.0,
    ),
)


def version(greeting: str) -> Version:
    """Return the version from BIRD's greeting on the control socket, `BIRD 2.0.12 ready.`."""
    found = _GREETING.search(greeting)
    text = found.group(1) if found else ""
    found_numbers = numbers(text)
    silent_for = newest(RELEASES, found_numbers).silent_for
    return Version("BIRD", text, found_numbers, silent_for, fragile=_crashes(found_numbers))


def release(version: Version) -> Release:
    """Return how this version works; one that is too old as the oldest one, to withdraw."""
    return newest(RELEASES, version.numbers)


def refuse_unsupported(version: Version) -> None:
    """Refuse a version that is too old to announce with.

    Raises:
        RouterUnavailableError: with the release that is needed.
    """
    refuse_older(version, RELEASES[0].since)


def findings(version: Version) -> tuple[Finding, ...]:
    """Return what an operator should know of this version."""
    if version.fragile:
        detail = (
            f"{version} can crash while it answers `show route`, by which its exports are read: "
            "the daemon asks less often, and corrects drift later"
        )
        fix = "install 3.1.8, 3.2.3, 3.3.2 or newer"
        return (Finding(Code.RELEASE_CRASHES, "", detail, fix),)
    return untried(version, TRIED)


def _crashes(numbers: tuple[int, ...]) -> bool:
    # The news of BIRD 3.1.8, 3.2.3 and 3.3.2.
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major == 3 and patch < {0: 1000, 1: 8, 2: 3, 3: 2}.get(minor, 0)  # noqa: PLR2004 - BIRD 3
