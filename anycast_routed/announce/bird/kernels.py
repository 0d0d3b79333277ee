"""Find the prefixes for which BIRD would write a blackhole route into the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket, Reply
    from anycast_routed.model import Prefix

_MOST_QUESTIONS = 256
_NOTHING = "REJECT"
_ALL = "ACCEPT"
_FIX = "keep anycast_* out of that export, and then set `blackhole = true` for its route"
"""A prefix that is withheld has little room on its line; docs/config.md says more."""


def blackholes(
    bird: ControlSocket, prefixes: Collection[Prefix], owned: Owned
) -> Mapping[Prefix, str]:
    """Return which of these prefixes BIRD's kernel protocols would get from its master tables.

    While BIRD has our route, it says what a kernel protocol exports. Otherwise the filter decides:
    BIRD names a filter that accepts all or nothing, and cannot be asked about another one.

    Raises:
        RouterUnavailableError: BIRD does not answer.
    """
    shown = bird.must("show protocols all")
    kernels = {version: _kernels(shown, version) for version in (4, 6)}
    can_ask = len(prefixes) * sum(map(len, kernels.values())) <= _MOST_QUESTIONS
    found = {}
    for prefix in prefixes:
        for name, export in kernels[prefix.version].items():
            exports = None
            if can_ask and _has(bird, f"show route {prefix} table master{prefix.version}", owned):
                exports = _has(bird, f"show route {prefix} export '{name}'", owned)
            if why := _why(name, export, exports=exports):
                found[prefix] = why
                break
    return found


def _kernels(shown: Reply, version: int) -> dict[str, str]:
    """Return the kernel protocols that can get routes of a master table, with their filters.

    Routes also reach the other tables where a pipe is.
    """
    kinds, channels = answers.kinds(shown), answers.channels(shown)
    has_pipe = "Pipe" in kinds.values()
    return {
        name: channel.export
        for name, kind in kinds.items()
        if kind == "Kernel"
        for channel in channels[name]
        if channel.family == f"ipv{version}" and channel.export != _NOTHING
        if has_pipe or channel.table == f"master{version}"
    }


def _has(bird: ControlSocket, command: str, owned: Owned) -> bool:
    """Tell whether an answer lists a route of ours. An error is the answer for no route."""
    return bool(answers.holders(bird.ask(command), None, owned))


def _why(name: str, export: str, *, exports: bool | None) -> str:
    """Return the sentence for one kernel protocol; empty if it gets no route of ours.

    `exports` is None while BIRD does not have our route.
    """
    if exports is False:
        return ""
    certain = exports or export == _ALL
    kernel = f"protocol kernel {name}" if certain else f"the export filter of {name}"
    verb = "gives" if certain else "may give"
    return f"it is not on this host, and {kernel} {verb} the kernel a blackhole route: {_FIX}"
