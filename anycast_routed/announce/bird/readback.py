"""Reading BIRD back over one connection, with a listing for each session and one for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Readback, by_address

if TYPE_CHECKING:
    from anycast_routed.announce.bird.socket import ControlSocket
    from anycast_routed.model import Route


def readback(bird: ControlSocket) -> Readback:
    """Ask for sessions, our routes and our exports.

    Raises:
        RouterUnavailableError: also where an answer is none that BIRD 2 gives.
    """
    try:
        return _readback(bird)
    except ValueError as error:
        message = f"BIRD's answer cannot be understood: {error}"
        hint = "is it BIRD 2? see: birdc show status"
        raise RouterUnavailableError(message, hint=hint) from error


def _readback(bird: ControlSocket) -> Readback:
    protocols = bird.must("show protocols all")
    found = answers.sessions(protocols)
    sessions = tuple(sorted(found, key=lambda one: by_address(one.address)))
    tables = answers.tables(protocols)
    exported = {}
    for session in sessions:
        if session.established:
            which = "" if session.ours else f'where proto ~ "{answers.OURS}"'
            command = f"show route export '{session.name}' {which} all"
            exported[session.address] = _routes(bird, command)
    return Readback(
        router=answers.version(bird.greeting),
        sessions=sessions,
        originated=_routes(bird, f"{answers.listing(tables)} all") if tables else (),
        exported=exported,
    )


def _routes(bird: ControlSocket, command: str) -> tuple[Route, ...]:
    """List our routes. A session or a table that has just gone is no error: it has none."""
    reply = bird.ask(command)
    return () if reply.failed else answers.routes(reply)
