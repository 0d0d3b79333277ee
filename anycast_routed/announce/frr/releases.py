"""What the releases of FRR do differently, one row for each release that changed something.

tests/announce/frr/test_frr_behaviour.py pins the commands and the daemons. What mgmtd
loses, and the pause of a new session, was measured on 10.3, 10.7.1 and 8.4.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from anycast_routed.announce.release import newest, numbers, refuse_older, untried
from anycast_routed.model import Code, Finding, Version

TRIED = (10, 7, 1)
"""The newest release of the tests."""
_RUNNING_CONFIG = re.compile(r"^frr version (\S+)$", re.MULTILINE)
_UNKNOWN = "unknown"

LONGEST_LINE = 1024
"""Octets of a config line that every release accepts: vtysh 8.4.4 hangs on one of about 4 KB."""


@dataclass(frozen=True, slots=True)
class Release:
    """How FRR works from one release on."""

    since: tuple[int, ...]
    table: str
    """Lists the routes that a route-map permits: `family` and `route_map` are filled in."""
    table_with_communities: str
    """The same with the communities of each route."""
    exports: str
    """Lists what a neighbor gets: `family` and `neighbor` are filled in. It has no communities."""
    statics: str
    """The daemon that holds the config of static routes."""
    loses_statics: bool
    """Whether this daemon drops commands, with exit code 0, while another vtysh configures it."""
    keep_maps: tuple[str, ...]
    """The daemons, beside bgpd, that keep copies of the route-maps in frr.conf."""
    silent_for: float
    """Seconds after a session comes up in which nothing may be exported."""


_FRR_8 = Release(
    since=(8, 4),  # Debian 12 has 8.4.4
    table="show bgp {family} unicast route-map {route_map} json",
    # The detail form takes `detail` behind `json` only.
    table_with_communities="show bgp {family} unicast route-map {route_map} json detail",
    exports="show bgp {family} unicast neighbors {neighbor} advertised-routes json",
    statics="staticd",
    loses_statics=False,
    keep_maps=("zebra",),
    # For 5 s after its start, bgpd exports nothing through a route-map that stands below the
    # neighbor in frr.conf.
    silent_for=5.0,
)
RELEASES = (
    _FRR_8,
    # mgmtd takes the statics and keeps copies of route-maps: 10.3 and 10.7.1. No FRR 9 was tried.
    replace(_FRR_8, since=(9,), statics="mgmtd", loses_statics=True, keep_maps=("zebra", "mgmtd")),
)


def version(running_config: str) -> Version:
    """Return the version from the `frr version` line of a running config."""
    found = _RUNNING_CONFIG.search(running_config)
    text = found.group(1) if found else _UNKNOWN
    return Version("FRR", text, numbers(text), newest(RELEASES, numbers(text)).silent_for)


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
    if version.numbers[:1] == (9,):
        detail = f"no test ran on {version}: it is treated as FRR 10"
        return (Finding(Code.RELEASE_UNTRIED, "", detail),)
    return untried(version, TRIED)
