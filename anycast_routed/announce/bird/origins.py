"""Find who else announces our prefixes: BIRD's other protocols, on the operator's sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from anycast_routed.announce.bird import answers, exact
from anycast_routed.announce.bird.protocols import network
from anycast_routed.model import Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket, Reply
    from anycast_routed.model import Prefix

_MOST_QUESTIONS = 256
"""Beyond, one listing for each session costs less, unless its table is large."""
_PATH = re.compile(r"^(?:([0-9a-fA-F.:]+/\d+)\s|\s).*?\[(\S+) ")
_NAMED = re.compile(r"\w+")
_LEARNED = frozenset({"BGP", "OSPF", "RIP", "Babel"})
"""The kinds of protocols by which another router announces a prefix."""
_FIXES = {
    "Direct": "in the channel of protocol direct {name}: import where net != {prefix};",
    "Static": "remove {prefix} from protocol static {name}",
}
_FIX = "keep {prefix} out by the import filter of protocol {kind} {name}"


class _Path(NamedTuple):
    prefix: Prefix
    protocol: str


def origins(bird: ControlSocket, prefixes: Collection[Prefix], owned: Owned) -> tuple[Origin, ...]:
    """Ask for each prefix and each Established session of the operator what is sent there.

    While our own route is sent, another one may wait below it. It counts if the session's filter
    is known to accept it: an unnamed filter cannot be asked.

    Raises:
        RouterUnavailableError: BIRD does not answer.
    """
    shown = bird.must("show protocols all")
    kinds = answers.kinds(shown)
    sessions = [one.name for one in answers.sessions(shown) if one.established and not one.ours]
    channels = answers.channels(shown)
    tables = [one for name in sessions for one in channels[name]]
    questions = len(prefixes) * len(sessions)
    walked = exact.rows(exact.table_sizes(shown), [one.table for one in tables])
    one_by_one = questions <= _MOST_QUESTIONS or exact.is_cheaper(questions, walked)
    sent: dict[_Path, dict[str, None]] = {}
    for name in sessions:
        for path in _exported(bird, name, prefixes, channels[name], one_by_one=one_by_one):
            sent.setdefault(path, {})[name] = None
    ours = dict.fromkeys(path.prefix for path in sent if owned.has(path.protocol))
    waiting = dict.fromkeys(_waiting(bird, ours, tables))
    return tuple(
        _origin(path, kinds, tuple(sent.get(path, ())))
        for path in (*sent, *(one for one in waiting if one not in sent))
        if not owned.has(path.protocol)
    )


def _exported(
    bird: ControlSocket,
    session: str,
    prefixes: Collection[Prefix],
    channels: Iterable[answers.Channel],
    *,
    one_by_one: bool,
) -> Iterator[_Path]:
    """Yield the paths to these prefixes that a session is sent, ours among them."""
    if not one_by_one:
        asked = frozenset(prefixes)
        found = _paths(bird.ask(f"show route export '{session}' where source != RTS_BGP"))
        yield from (path for path in found if path.prefix in asked)
        return
    families = {channel.family for channel in channels}
    for prefix in prefixes:
        if f"ipv{prefix.version}" in families:
            yield from _paths(bird.ask(f"show route {prefix} export '{session}'"), prefix)


def _waiting(
    bird: ControlSocket, ours: Collection[Prefix], channels: Iterable[answers.Channel]
) -> Iterator[_Path]:
    """Yield the paths below ours that the filter of a channel would let out."""
    several = dict.fromkeys(channels)
    if len(ours) * len(several) > _MOST_QUESTIONS:
        return
    for channel in several:
        if not _NAMED.fullmatch(channel.export) or channel.export == answers.ACCEPTS_NOTHING:
            continue
        chosen = "" if channel.export == answers.ACCEPTS_ALL else f" filter {channel.export}"
        for prefix in ours:
            if f"ipv{prefix.version}" == channel.family:
                command = f"show route {prefix} table {channel.table}{chosen}"
                yield from _paths(bird.ask(command), prefix)


def _paths(reply: Reply, prefix: Prefix | None = None) -> Iterator[_Path]:
    """Yield the paths of a listing; of one prefix, or each line names its own or the one above."""
    if reply.failed:
        return  # there is no route, or the session has just gone
    for line in reply.lines:
        if found := _PATH.match(line):
            prefix = network(found[1]) if found[1] else prefix
            if prefix is not None:
                yield _Path(prefix, found[2])


def _origin(path: _Path, kinds: Mapping[str, str], peers: tuple[str, ...]) -> Origin:
    kind, name = kinds.get(path.protocol, ""), path.protocol
    made_by = f"protocol {kind.lower()} {name}".replace("  ", " ")
    if kind in _LEARNED:
        return Origin(path.prefix, made_by, peers, learned=True)
    fix = _FIXES.get(kind, _FIX).format(kind=kind.lower(), name=name, prefix=path.prefix)
    return Origin(path.prefix, made_by, peers, fix=fix)
