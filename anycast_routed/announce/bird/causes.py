"""Find out why BIRD does not export one of our routes in one session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers
from anycast_routed.announce.bird.owned import pipe_name

if TYPE_CHECKING:
    from anycast_routed.announce.bird.answers import Channel
    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.socket import ControlSocket, Reply
    from anycast_routed.model import Prefix

_BEST = re.compile(r"\[(\S+) .*\] \* \((\d+)\)")


def cause(bird: ControlSocket, session: str, prefix: Prefix, owned: Owned) -> tuple[str, str]:
    """Return why a session is not sent a prefix that BIRD holds, and what to do; empty if unknown.

    Raises:
        RouterUnavailableError: BIRD does not answer.
    """
    shown = bird.must("show protocols all")
    family = f"ipv{prefix.version}"
    there = [one for one in answers.channels(shown).get(session, ()) if one.family == family]
    if not there:
        fix = f"add a channel to protocol bgp {session}: {family} {{ ... }};"
        return f"the session has no channel for IPv{prefix.version}", fix
    channel = there[0]
    if not channel.up:
        return f"the peer does not take IPv{prefix.version} in this session", ""
    found = bird.ask(f"show route {prefix} table {channel.table}")
    best = None if found.failed else _BEST.search(found.raw)
    if best is None:
        return _of_table(session, channel, shown)
    name, preference = best.groups()
    if not owned.has(name):
        kind = answers.kinds(shown).get(name, "").lower()
        return f"the route of protocol {kind} {name} is better (preference {preference})", ""
    if channel.export == answers.ACCEPTS_NOTHING:
        fix = f'add to the channel of {session}: export where proto ~ "{answers.OURS}";'
        return f"the channel of protocol {session} exports nothing", fix
    named = f"filter {channel.export}" if channel.export.isidentifier() else "filter"
    fix = f'begin that filter with: if proto ~ "{answers.OURS}" then accept;'
    return f"the export {named} of protocol {session} refuses it", fix


def _of_table(session: str, channel: Channel, shown: Reply) -> tuple[str, str]:
    """Return the cause if the table of the session's channel does not have the route."""
    table, master, pipe = channel.table, f"master{channel.family[-1]}", pipe_name(channel.family)
    if table == master and answers.down(shown).get(pipe):
        return f"protocol pipe {pipe} is disabled", f"birdc enable {pipe}"
    if vrf := answers.vrfs(shown).get(session):
        cause = f"the session is in VRF {vrf}, and its table {table} does not have the route"
        fix = f"other VRFs are not supported: add a session of the default VRF on {master}"
        return cause, fix
    fix = (
        f"the channel of {session} uses table {table}, and anycast-routed puts routes into {master}"
    )
    return f"its table {table} does not have the route", fix
