"""Say why a neighbor does not get a prefix, in the words of the router's own config."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.decide.proof import Fault

_MOST = 8  # faults that the router is asked about: each costs it a question or three


def with_causes(speaker: Speaker, faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Add the cause and the fix to each fault of an export that a neighbor does not get.

    Raises:
        RouterUnavailableError, AccessDeniedError: as each question to the router.
    """
    asked = 0
    found = []
    for fault in faults:
        one = fault
        if fault.session and fault.prefix is not None and not fault.blocking and asked < _MOST:
            asked += 1
            why, fix = speaker.cause(fault.session, fault.prefix)
            one = replace(fault, detail=f"{fault.detail}: {why}", fix=fix) if why else fault
        found.append(one)
    return tuple(found)
