"""Read BIRD back over one connection: one listing for each session and one for our tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers, releases
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Readback, by_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.releases import Release
    from anycast_routed.announce.bird.socket import ControlSocket
    from anycast_routed.model import Route


def readback(bird: ControlSocket, owned: Owned) -> Readback:
    """Return the sessions, our routes and our exports.

    Raises:
        RouterUnavailableError: also if an answer is not one that BIRD gives, or BIRD is too old.
    """
    with odd_answers_named():
        return _readback(bird, owned)


@contextlib.contextmanager
def odd_answers_named() -> Iterator[None]:
    """Turn the error of an answer that is not one of BIRD's into one that names BIRD.

    Raises:
        RouterUnavailableError: the answer cannot be understood.
    """
    try:
        yield
    except (ValueError, KeyError) as error:
        message = f"BIRD's answer cannot be understood: {error}"
        hint = "which version is it? see: birdc show status"
        raise RouterUnavailableError(message, hint=hint) from error


def _readback(bird: ControlSocket, owned: Owned) -> Readback:
    version = releases.version(bird.greeting)
    releases.refuse_unsupported(version)
    release = releases.release(version)
    protocols = bird.must("show protocols all")
    found = answers.sessions(protocols)
    sessions = tuple(sorted(found, key=lambda one: by_address(one.address)))
    tables = answers.tables(protocols, owned)
    exported = {}
    for session in sessions:
        if session.established:
            which = "" if session.ours else f'where proto ~ "{answers.OURS}"'
            command = f"show route export '{session.name}' {which} all"
            exported[session.name] = _routes(bird, command, release, owned)
    listing = f"{answers.listing(tables)} all"
    return Readback(
        router=str(version),
        sessions=sessions,
        originated=_routes(bird, listing, release, owned) if tables else (),
        exported=exported,
        version=version,
    )


def _routes(bird: ControlSocket, command: str, release: Release, owned: Owned) -> tuple[Route, ...]:
    """Return our routes. A session or a table that has just disappeared is no error."""
    reply = bird.ask(command)
    return () if reply.failed else answers.routes(reply, release, owned)
