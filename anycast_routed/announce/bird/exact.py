"""Ask for our routes one by one where a listing would walk a large table.

A listing walks every route of its tables, and runs the session's export filter on each. With
300,000 routes that is 20 ms of BIRD's time, as much as 1,000 questions for one prefix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.announce.bird import answers
from anycast_routed.announce.bird.protocols import network
from anycast_routed.announce.bird.socket import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.announce.bird.answers import Channel
    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket
    from anycast_routed.model import Prefix, Session

_ROWS = 1_000
"""The routes of a table that cost as much as one question, and its answer here."""
_SIZE = re.compile(
    r"^\s+(?:Table: +(?P<table>\S+)|Peer table: +(?P<peer>\S+)"
    r"|Routes: +(?P<imported>\d+) imported\b.*?(?P<exported>\d+) exported)",
    re.MULTILINE,
)
_STATIC = re.compile(r"^\s*([0-9a-fA-F.:]+/\d+)\s")


class Held(NamedTuple):
    """A route that one of our static protocols holds, and the table that it is in."""

    prefix: Prefix
    table: str


def held(
    bird: ControlSocket, shown: Reply, sessions: Iterable[Session], owned: Owned
) -> tuple[Held, ...] | None:
    """Return every route of our static protocols, as BIRD itself has them; None to list instead.

    Those of a protocol that is down are among them: BIRD may not have removed them yet.
    `shown` is the reply to `show protocols all`, and `sessions` are those that will be asked for.
    """
    sizes = table_sizes(shown)
    if not is_cheaper(1, max(sizes.values(), default=0)):
        return None
    channels = answers.channels(shown)
    there = statics(shown, owned).items()
    ours = {(name, one.table) for name, its_channels in there for one in its_channels}
    asked = [one.table for session in sessions for one in channels[session.name] if one.up]
    walked = rows(sizes, [*{table for _, table in ours}, *asked])
    # A protocol holds one route at least, so this is the least number of questions.
    if not is_cheaper(len(ours) * (2 + len(asked)), walked):
        return None
    found = tuple(
        Held(prefix, table) for name, table in sorted(ours) for prefix in sorted(routes(bird, name))
    )
    return found if is_cheaper(len(found) * (1 + len(asked)), walked) else None


def routes(bird: ControlSocket, protocol: str) -> frozenset[Prefix]:
    """Return every route of a static protocol, whether it is up or down."""
    lines = bird.ask(f"show static {protocol}").lines
    return frozenset(network(found[1]) for line in lines if (found := _STATIC.match(line)))


def statics(shown: Reply, owned: Owned) -> dict[str, tuple[Channel, ...]]:
    """Return our static protocols and their channels, from `show protocols all`."""
    channels = answers.channels(shown)
    kinds = answers.kinds(shown).items()
    return {n: channels.get(n, ()) for n, kind in kinds if kind == "Static" and owned.has(n)}


def is_cheaper(questions: int, rows: int) -> bool:
    """Return whether so many questions cost less than listings of so many rows."""
    return questions * _ROWS < rows


def rows(sizes: dict[str, int], tables: Iterable[str]) -> int:
    """Return how many rows the listings of these tables walk."""
    return sum(sizes.get(table, 0) for table in tables)


def table_sizes(shown: Reply) -> dict[str, int]:
    """Return how many routes each table has, from `show protocols all`, which walks no table."""
    found: dict[str, int] = {}
    table = peer = ""
    for line in _SIZE.finditer("\n".join(shown.lines)):
        if line["table"]:
            table, peer = line["table"], ""
        elif line["peer"]:
            peer = line["peer"]  # of a pipe, which copies what it exports
        else:
            found[table] = found.get(table, 0) + int(line["imported"])
            if peer:
                found[peer] = found.get(peer, 0) + int(line["exported"])
    return found


def ask(bird: ControlSocket, commands: Iterable[str]) -> Reply:
    """Ask each question, and return the answers as one; what is not there is left out."""
    replies = (bird.ask(command) for command in commands)
    return Reply(0, "".join(reply.raw for reply in replies if not reply.failed))
