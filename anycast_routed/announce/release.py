"""Find what the release of a router does in the router's table of releases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import UNKNOWN_VERSION, Code, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anycast_routed.model import Version

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_LONGEST = 32  # characters of a version


class Release(Protocol):
    """One row of a router's table: how its releases work from `since` on."""

    @property
    def since(self) -> tuple[int, ...]:
        """The first release that works so."""
        ...


R = TypeVar("R", bound=Release)


def refuse_older(version: Version, oldest: tuple[int, ...]) -> None:
    """Refuse a router that is older than the oldest release that is supported.

    Raises:
        RouterUnavailableError: with the release that is needed.
    """
    if version.numbers and version.numbers < oldest:
        message = f"{version} is too old: nothing is announced with it"
        hint = f"install {version.router} {'.'.join(map(str, oldest))} or newer"
        raise RouterUnavailableError(message, hint=hint)


def untried(version: Version, tried: tuple[int, ...]) -> tuple[Finding, ...]:
    """Return a note if this version is newer than `tried`, the newest release of the tests.

    Also if it has no number. A router that was not asked yet has no version at all.
    """
    if version == UNKNOWN_VERSION or (version.numbers and version.numbers <= tried):
        return ()
    newest_tried = ".".join(map(str, tried))
    known = (
        f"newer than {newest_tried}" if version.numbers else f"unknown; it works as {newest_tried}"
    )
    detail = f"{version} is {known}, the newest release of our tests"
    return (Finding(Code.RELEASE_UNTRIED, "", detail),)


def numbers(text: str) -> tuple[int, ...]:
    """Return the first numbers of a version: (2, 0, 12) for `2.0.12-1+deb12u1` or `v2.0.12`."""
    found = _NUMBERS.search(text[:_LONGEST])
    return tuple(map(int, found.group().split("."))) if found else ()


def newest(releases: Sequence[R], version: tuple[int, ...]) -> R:
    """Return the newest row that is not newer than `version`.

    The table is sorted, oldest first. A release that is newer than all rows, or a build whose
    version has no number, works as the newest one, and an older release as the oldest one.
    """
    if not version:
        return releases[-1]
    return next((one for one in reversed(releases) if one.since <= version), releases[0])
