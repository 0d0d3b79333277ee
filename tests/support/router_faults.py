"""What stories of routers that fail have in common: how to break one, and what is to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.lab.bird import Bird
from anycast_routed.lab.frr import Frr
from tests.support.waiting import eventually, never

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.watched_site import Judge, Watched


EVERYTHING = {"10.10.10.10/32", "10.10.10.11/32", "fd00::10:10:10:10/128"}
MANY = 24
TEMPLATES = "/etc/anycast-routed/templates"


def bird_of(watched: Watched) -> Bird:
    """Return dns1's BIRD."""
    assert isinstance(watched.router, Bird)
    return watched.router


def frr_of(watched: Watched) -> Frr:
    """Return dns1's FRR."""
    assert isinstance(watched.router, Frr)
    return watched.router


def crash(watched: Watched) -> None:
    """SIGKILL the BGP daemon, and wait until the peer has noticed."""
    if isinstance(watched.router, Bird):
        watched.router.daemon.kill()
    else:
        watched.router.kill("bgpd")
    eventually(lambda: not watched.peer.sessions(), why="the session is over")


def revive(watched: Watched, *, whole: bool = False) -> None:
    """Start it again as the host's service does; `whole` is all of FRR."""
    if isinstance(watched.router, Frr) and not whole:
        watched.router.restart_daemon("bgpd")
    else:
        watched.router.restart()


def session_is_told_all(watched: Watched, mark: int) -> None:
    """Wait for a new session since the mark whose first table is complete."""

    def complete() -> bool:
        kinds = [event.kind for event in watched.peer.since(mark)]
        return "up" in kinds and kinds.count("end-of-rib") >= 2

    eventually(complete, why="a new session, with both families complete")


def changes(watched: Judge, mark: int) -> list[tuple[str, str]]:
    """Return what the peer was told of prefixes since the mark, whatever its session did.

    What FRR only says again is left out.
    """
    peer = watched.peer
    events = peer.changes(mark) if watched.router_name == "frr" else peer.news(mark)
    return [(event.kind, event.prefix) for event in events if event.prefix]


def announced_since(watched: Watched, mark: int) -> set[str]:
    """Return what the peer was told to use since the mark."""
    return {prefix for kind, prefix in changes(watched, mark) if kind == "announce"}


def unchanged(watched: Watched, seconds: float) -> None:
    """Watch the peer for so many seconds, in which it may receive no message about a prefix."""
    mark = watched.mark()
    never(lambda: changes(watched, mark), seconds=seconds, why="the peer received")


def problem(watched: Watched, about: str, said: str) -> None:
    """Wait until the daemon tells of this problem."""
    eventually(
        lambda: said in watched.status().problems.get(about, ""),
        why=f"a {about} problem: {said}",
    )


def no_problem(watched: Watched) -> None:
    """Wait until the daemon has none."""
    eventually(lambda: not watched.status().problems, why="no problem is left")


def times_told(watched: Watched, about: str) -> int:
    """Count how often the daemon's log tells of a problem of this kind."""
    return watched.process().log().count(f" problem about={about} ")


def logged(watched: Watched, text: str) -> None:
    """Wait until the daemon has said this in its log, where its status file cannot be written."""
    eventually(lambda: text in watched.process().log(), why=f"it says: {text}")


def nothing_piles_up(watched: Watched) -> None:
    """Check that the daemon has as few threads and descriptors as ever."""
    few_are_open(watched.dns1.path(f"/proc/{inner_pid(watched)}"))


def few_are_open(process: Path) -> None:
    """Check that this daemon has few threads and descriptors: at rest it needs about 13.

    For a moment it may have twice as many: each question of a check and of a burst has its own
    socket, and each program that it calls has pipes. What has piled up stays.
    """

    def few() -> bool:
        for name in ("task", "fd"):
            found = {one.name: _shown(one) for one in (process / name).iterdir()}
            if len(found) >= MANY:
                message = f"{len(found)} in {name}: {found}"
                raise AssertionError(message)
        return True

    eventually(few, why=f"fewer than {MANY} threads and descriptors")


def _shown(entry: Path) -> str:
    try:
        return str(entry.readlink()) if entry.is_symlink() else ""
    except FileNotFoundError:
        return "closed meanwhile"


def inner_pid(watched: Watched) -> int:
    """Return the daemon's PID as the host itself sees it."""
    return watched.status().pid


def own_file(watched: Watched) -> Path:
    """Return where our file is, as seen from outside."""
    return watched.dns1.path(f"/run/anycast-routed/{watched.router_name}.conf")


def networks_in(text: str) -> set[str]:
    """Return the prefixes that a text of ours announces, in either router's language."""
    lines = (line.split() for line in text.splitlines())
    return {words[1] for words in lines if words and words[0] in {"route", "network"}}
