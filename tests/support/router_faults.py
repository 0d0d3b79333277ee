"""Faults of a router, and what a test then sees: in the peer, the daemon's status and its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anycast_routed.announce.bird import protocols
from anycast_routed.announce.frr.running_config import Running, running
from anycast_routed.lab.bird import Bird
from anycast_routed.lab.frr import Frr
from tests.support.waiting import eventually, never

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.dns_site import DnsHost
    from tests.support.watched_site import Judge, Watched


EVERYTHING = {"10.10.10.10/32", "10.10.10.11/32", "fd00::10:10:10:10/128"}
MANY = 24
TEMPLATES = "/etc/anycast-routed/templates"


def bird_of(host: DnsHost) -> Bird:
    """Return the BIRD of dns1."""
    assert isinstance(host.router, Bird)
    return host.router


def frr_of(host: DnsHost) -> Frr:
    """Return the FRR of dns1."""
    assert isinstance(host.router, Frr)
    return host.router


def crash(watched: Watched) -> None:
    """Kill the BGP daemon with SIGKILL, and wait until its session is down at the peer."""
    if isinstance(watched.router, Bird):
        watched.router.daemon.kill()
    else:
        watched.router.kill("bgpd")
    eventually(lambda: not watched.peer.sessions(), why="the session is down")


def revive(watched: Watched, *, whole: bool = False) -> None:
    """Start the BGP daemon again, as its systemd service does; with `whole`, all of FRR."""
    if isinstance(watched.router, Frr) and not whole:
        watched.router.restart_daemon("bgpd")
    else:
        watched.router.restart()


def wait_for_new_session(watched: Watched, mark: int) -> None:
    """Wait for a session that came up after the mark, and for its first table in full."""

    def complete() -> bool:
        kinds = [event.kind for event in watched.peer.since(mark)]
        return "up" in kinds and kinds.count("end-of-rib") >= 2

    eventually(complete, why="a new session, with both families complete")


def changes(judge: Judge, mark: int) -> list[tuple[str, str]]:
    """Return the messages about prefixes since the mark, even if the session went down."""
    return [(event.kind, event.prefix) for event in judge.events(mark) if event.prefix]


def announced_since(judge: Judge, mark: int) -> set[str]:
    """Return the prefixes that were announced since the mark."""
    return {prefix for kind, prefix in changes(judge, mark) if kind == "announce"}


def unchanged(judge: Judge, seconds: float) -> None:
    """Watch the peer for so many seconds, in which no message about a prefix may arrive."""
    mark = judge.mark()
    never(lambda: changes(judge, mark), seconds=seconds, why="the peer received")


def problem(watched: Watched, about: str, said: str) -> None:
    """Wait until the daemon's status has a problem about this, with this text in it."""
    eventually(
        lambda: said in watched.status().problems.get(about, ""), why=f"a {about} problem: {said}"
    )


def no_problem(watched: Watched) -> None:
    """Wait until the daemon's status has no problem."""
    eventually(lambda: not watched.status().problems, why="no problem is left")


def times_reported(watched: Watched, about: str) -> int:
    """Count how often the daemon's log reports a problem of this kind."""
    return watched.process().log().count(f" problem about={about} ")


def logged(watched: Watched, text: str) -> None:
    """Wait until the daemon's log has this text, where its status file cannot be written."""
    eventually(lambda: text in watched.process().log(), why=f"the log says: {text}")


def nothing_piles_up(watched: Watched) -> None:
    """Check that the daemon has few threads and descriptors."""
    few_are_open(watched.file(f"/proc/{watched.status().pid}"))


def few_are_open(process: Path) -> None:
    """Wait until this daemon has few threads and descriptors; `process` is its /proc directory.

    At rest it needs about 13. For a moment it may have twice as many: each question of a check
    and of a burst has its own socket, and each program that it runs has pipes. A leak stays.
    """

    def few() -> bool:
        for name in ("task", "fd"):
            found = {one.name: _target(one) for one in (process / name).iterdir()}
            if len(found) >= MANY:
                message = f"{len(found)} in {name}: {found}"
                raise AssertionError(message)
        return True

    eventually(few, why=f"fewer than {MANY} threads and descriptors")


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink()) if entry.is_symlink() else ""
    except FileNotFoundError:
        return "closed meanwhile"


def network_count(frr: Frr) -> int:
    """Count our networks in the running config of bgpd."""
    return len(Running(frr.vtysh("show running-config")).networks)


def networks_in(text: str) -> set[str]:
    """Return the prefixes that our router file announces, for BIRD or for FRR."""
    return {str(one) for one in (*protocols.held(text), *running(text).networks)}
