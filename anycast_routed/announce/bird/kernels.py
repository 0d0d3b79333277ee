"""Find the prefixes for which BIRD would write a blackhole route into the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers, exact
from anycast_routed.announce.bird.owned import PIPES
from anycast_routed.model import BlackholeNeed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket, Reply
    from anycast_routed.model import Prefix

_MOST_QUESTIONS = 256
_FIX = "keep anycast_* out of that export, and then set `blackhole = true` for its route"
"""A prefix that is withheld has little room on its line; docs/config.md says more."""


def blackholes(
    bird: ControlSocket, prefixes: Collection[Prefix], owned: Owned
) -> Mapping[Prefix, BlackholeNeed]:
    """Return which of these prefixes BIRD's kernel protocols would get from its master tables.

    While BIRD has our route, it says what a kernel protocol exports. Otherwise the filter decides:
    BIRD names a filter that accepts all or nothing, and cannot be asked about another one.

    Raises:
        RouterUnavailableError: BIRD does not answer.
    """
    shown = bird.must("show protocols all")
    found: dict[Prefix, BlackholeNeed] = {}
    for version in {prefix.version for prefix in prefixes}:
        asked = [prefix for prefix in prefixes if prefix.version == version]
        kernels = _kernels(shown, version)
        unknown = {name for name, export in kernels.items() if export != answers.ACCEPTS_ALL}
        held = _routes(bird, asked, f"table master{version}", owned) if unknown else frozenset()
        for name, export in kernels.items():
            sent = (
                _routes(bird, held, f"export '{name}'", owned) if name in unknown else frozenset()
            )
            for prefix in asked:
                certain = export == answers.ACCEPTS_ALL or prefix in sent
                if prefix not in found and (certain or prefix not in held):
                    found[prefix] = _need(name, certain=certain)
    return found


def _kernels(shown: Reply, version: int) -> dict[str, str]:
    """Return the kernel protocols that can get routes of a master table, with their filters.

    Routes also reach the other tables where the operator has a pipe.
    """
    kinds, channels = answers.kinds(shown), answers.channels(shown)
    has_pipe = any(kind == "Pipe" and name not in PIPES for name, kind in kinds.items())
    return {
        name: channel.export
        for name, kind in kinds.items()
        if kind == "Kernel"
        for channel in channels[name]
        if channel.family == f"ipv{version}" and channel.export != answers.ACCEPTS_NOTHING
        if has_pipe or channel.table == f"master{version}"
    }


def _routes(
    bird: ControlSocket, prefixes: Collection[Prefix], where: str, owned: Owned
) -> frozenset[Prefix]:
    """Return the prefixes for which a table, or an export, has a route of anycast-routed.

    BIRD answers with an error where there is no route.
    """
    if len(prefixes) > _MOST_QUESTIONS:
        commands = [f'show route {where} where proto ~ "{answers.OURS}"']
    else:
        commands = [f"show route {prefix} {where}" for prefix in prefixes]
    lines = exact.ask(bird, commands).lines
    return frozenset(answers.prefixes(lines, owned)).intersection(prefixes)


def _need(name: str, *, certain: bool) -> BlackholeNeed:
    """Return the need for one kernel protocol."""
    kernel = f"protocol kernel {name}" if certain else f"the export filter of {name}"
    verb = "gives" if certain else "may give"
    why = f"it is not on this host, and {kernel} {verb} the kernel a blackhole route: {_FIX}"
    return BlackholeNeed(why, certain)
