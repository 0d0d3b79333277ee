"""Taking routes out of a running BIRD, by the shortest way and by the one that always works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers
from anycast_routed.announce.bird.socket import IN_PROGRESS, NO_SUCH_PROTOCOL, QUEUED

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.announce.bird.socket import ControlSocket
    from anycast_routed.model import Prefix

_QUEUED_WITHIN = 0.3  # seconds for the reconfiguration before ours to end; 300,000 routes take 0.1
_EVERY = 0.005


def reload(bird: ControlSocket, gone: Collection[Prefix]) -> None:
    """Have BIRD read its config, whose file of ours is without these prefixes.

    BIRD reads the file when it is told to, not when the queue has come to it: so whichever
    `configure` is the last, ours or one of the operator's, has read the shortened file. But where
    another one is still at work, ours may wait; then, and where the operator's own part is
    broken, what is still held is disabled.
    """
    reply = bird.ask("configure")
    is_waiting = reply.code in {IN_PROGRESS, QUEUED}
    until = time.monotonic() + (_QUEUED_WITHIN if is_waiting else 0.0)
    while holders(bird, gone) and time.monotonic() < until:
        time.sleep(_EVERY)
    disable(bird, gone)


def disable(bird: ControlSocket, gone: Collection[Prefix] | None) -> None:
    """Disable the static protocols that hold these prefixes, or all: whole services, to be safe.

    It works within a millisecond even while the operator's bird.conf has a syntax error.
    BIRD enables them again at its next successful `configure`.
    """
    for name in holders(bird, gone):
        # One that a reload has taken away meanwhile holds nothing.
        bird.ask(f"disable {name}")


def holders(bird: ControlSocket, prefixes: Collection[Prefix] | None) -> tuple[str, ...]:
    """Return which static protocols of ours hold any of these prefixes."""
    listed = bird.ask(f'show protocols "{answers.OURS}"')
    if listed.code == NO_SUCH_PROTOCOL:
        return ()
    if not (tables := answers.tables(listed)):
        return ()
    return answers.holders(bird.must(answers.listing(tables)), prefixes)
