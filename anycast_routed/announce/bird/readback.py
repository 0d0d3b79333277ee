"""Read BIRD back over one connection: our tables, and what each session exports of them.

Small tables are listed; of a large table, our prefixes are asked for one by one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed.announce.bird import answers, exact, releases
from anycast_routed.errors import RouterUnavailableError
from anycast_routed.model import Readback, by_address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from anycast_routed.announce.bird.exact import Held
    from anycast_routed.announce.bird.owned import Owned
    from anycast_routed.announce.bird.releases import Release
    from anycast_routed.announce.bird.socket import ControlSocket
    from anycast_routed.model import Route, Session


def readback(bird: ControlSocket, owned: Owned) -> Readback:
    """Return the sessions, our routes and our exports.

    Raises:
        RouterUnavailableError: also if an answer is not one that BIRD gives, or BIRD is too old.
    """
    with odd_answers_named():
        return _readback(bird, owned)


def constant(bird: ControlSocket, name: str) -> str:
    """Return a constant of BIRD's running config; the empty string if it has none."""
    reply = bird.ask(f"eval {name}")
    return "" if reply.failed else reply.text


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
    shown = bird.must("show protocols all")
    found = answers.sessions(shown)
    sessions = tuple(sorted(found, key=lambda one: by_address(one.address)))
    up = [session for session in sessions if session.established]
    held = exact.held(bird, shown, up, owned)
    return Readback(
        router=str(version),
        sessions=sessions,
        originated=_originated(bird, answers.tables(shown, owned), held, release, owned),
        exported={one.name: _exported(bird, one, held, release, owned) for one in up},
        version=version,
    )


def _originated(
    bird: ControlSocket,
    tables: Collection[str],
    held: Collection[Held] | None,
    release: Release,
    owned: Owned,
) -> tuple[Route, ...]:
    if held is None:
        commands = [f"{answers.listing(tables)} all"] if tables else []
    else:
        commands = [f"{answers.listing([one.table], one.prefix)} all" for one in held]
    return answers.routes(exact.ask(bird, commands), release, owned)


def _exported(
    bird: ControlSocket,
    session: Session,
    held: Iterable[Held] | None,
    release: Release,
    owned: Owned,
) -> tuple[Route, ...]:
    """Return our routes that a session exports; none if it has just disappeared."""
    which = "" if session.ours else f'where proto ~ "{answers.OURS}"'
    end = f"export '{session.name}' {which} all"
    if held is None:
        commands = [f"show route {end}"]
    else:
        prefixes = dict.fromkeys(one.prefix for one in held)
        commands = [
            f"show route {one} {end}" for one in prefixes if one.version in session.families
        ]
    return answers.routes(exact.ask(bird, commands), release, owned)
