"""Withdraw routes from a running BIRD: exactly by a reload, or always by disabling protocols."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers, configure, exact, refusals, releases, states
from anycast_routed.announce.bird.configure import ENDS_WITHIN
from anycast_routed.announce.bird.socket import IN_PROGRESS, QUEUED

if TYPE_CHECKING:
    from collections.abc import Collection

    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket
    from anycast_routed.model import Prefix

_EVERY = 0.005
_FRAGILE_EVERY = 0.1  # for a release that this question can crash


def reload(bird: ControlSocket, gone: Collection[Prefix], owned: Owned) -> None:
    """Make BIRD read its config again, with our file already without these prefixes.

    BIRD reads the file when it gets the command, not when the command leaves the queue: so
    whichever `configure` is the last, ours or the operator's, has read the shortened file. But
    ours may wait for another one that still runs, or the operator's own part may be broken or on
    trial. Then protocols are disabled as `disable` does.

    Raises:
        RejectedError: as `disable`.
    """
    # A reload would make a trial of the operator permanent.
    until = time.monotonic()
    if not configure.trial(bird):
        reply = configure.load(bird, owned, within=ENDS_WITHIN)
        until += ENDS_WITHIN if reply.code in {IN_PROGRESS, QUEUED} else 0.0
    every = _FRAGILE_EVERY if releases.version(bird.greeting).fragile else _EVERY
    while holders(bird, gone, owned) and time.monotonic() < until:
        time.sleep(every)
    disable(bird, gone, owned)


def disable(bird: ControlSocket, gone: Collection[Prefix] | None, owned: Owned) -> None:
    """Disable the static protocols that hold only such prefixes, or all.

    This takes a millisecond and works even while the operator's bird.conf has a syntax error.
    If the file still announces them, BIRD enables them at its next successful `configure`.

    Raises:
        RejectedError: a prefix shares its protocol with others that are to stay, and stays with
            them: one prefix that is drained must not take healthy ones along. All prefixes of a
            dead service go together.
    """
    shared: dict[str, frozenset[Prefix]] = {}
    for name in holders(bird, gone, owned):
        there = frozenset() if gone is None else exact.routes(bird, name)
        if gone is None or there.issubset(gone):
            states.disable(bird, (name,))
        else:
            shared[name] = there.intersection(gone)
    if shared:
        raise refusals.shared(shared)


def holders(
    bird: ControlSocket, prefixes: Collection[Prefix] | None, owned: Owned
) -> tuple[str, ...]:
    """Return which of our static protocols hold any of these prefixes, or may hold any at all."""
    shown = bird.must("show protocols all")
    statics = exact.statics(shown, owned)
    if prefixes is None:
        down = answers.down(shown)
        return tuple(name for name in statics if not down[name])
    places = {(one.family, one.table) for channels in statics.values() for one in channels}
    tables = sorted({table for _, table in places})
    questions = [
        answers.listing([table], prefix)
        for prefix in prefixes
        for family, table in sorted(places)
        if family == f"ipv{prefix.version}"
    ]
    if not exact.is_cheaper(len(questions), exact.rows(exact.table_sizes(shown), tables)):
        questions = [answers.listing(tables)] if tables else []
    return answers.holders(exact.ask(bird, questions), prefixes, owned)
