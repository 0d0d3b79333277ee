"""A reload of large data is no death; a server that is killed, stopped or held is withdrawn.

`make soak` reloads more servers, and each of them more often (ANYCAST_ROUTED_RELOADS).
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, large_dns
from anycast_routed.lab.lab import RELEASE_VARIABLE
from anycast_routed.model import Verdict
from tests.support.debugger import held
from tests.support.waiting import eventually
from tests.support.watched_site import Watched, each, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

RELOADS = int(os.environ.get("ANYCAST_ROUTED_RELOADS", "3"))
SILENT = {"unbound", "dnsmasq", "bind"}
"""Servers that answer nothing while they read their data; `make test` runs these alone."""
# The files of another release have the servers of the other tests only.
NAMES = ["unbound"] if os.environ.get(RELEASE_VARIABLE) else [*large_dns.SERVERS]


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=() if one in SILENT else pytest.mark.slow) for one in NAMES],
)
def large(request: pytest.FixtureRequest) -> Iterator[Large]:
    """Start a server with large data on a host whose daemon announces its prefixes."""
    config = quick()
    # The checks of this file decide slowly: the pulse is what withdraws a server at once.
    config["dns"] |= {"rrtype": "A", "timeout": "5s", "interval": "1s"}
    with Lab() as lab:
        watched = lay_out(lab, "bird", config)
        watched.server.daemon.kill()
        server = large_dns.SERVERS[request.param](watched.dns1)
        watched.start_daemon()
        yield Large(watched, server)


class Large:
    """A site with a server that has large data."""

    def __init__(self, watched: Watched, server: large_dns.LargeServer) -> None:
        self.watched = watched
        self.reload = server.reload
        self.server = server.server

    def pids(self) -> list[int]:
        """Return the PIDs of all processes of the server."""
        return [self.server.daemon.pid, *self.server.daemon.descendants()]


@pytest.mark.fault(60)
@pytest.mark.soak
def test_a_reload_withdraws_nothing(large: Large, announced: Held) -> None:
    watched = large.watched
    ready(watched, announced)
    mark = watched.mark()
    for _ in range(RELOADS):
        large.reload()
    watched.no_update_for(2.0)  # a check that began in the last reload has ended then
    assert not watched.updates(mark)
    watched.status_has(Verdict.UP)


@pytest.mark.fault(1)
def test_a_killed_server_is_withdrawn(large: Large, announced: Held) -> None:
    watched = large.watched
    ready(watched, announced)
    mark = watched.mark()
    for pid in large.pids():
        os.kill(pid, signal.SIGKILL)
    try:
        # What is seen first depends on how long the kernel takes to free the memory.
        withdrawn(watched, "nothing listens", "is exiting", "is a zombie", "is dead")
    finally:
        large.server.restart()
    announced_again(watched, announced, mark)


@pytest.mark.fault(2)
def test_a_stopped_server_is_withdrawn(large: Large, announced: Held) -> None:
    watched = large.watched
    ready(watched, announced)
    mark = watched.mark()
    large.server.daemon.pause(whole=True)
    try:
        withdrawn(watched, "is stopped")
    finally:
        large.server.daemon.resume()
    announced_again(watched, announced, mark)


@pytest.mark.fault(2)
def test_a_server_that_a_debugger_holds_is_withdrawn(large: Large, announced: Held) -> None:
    watched = large.watched
    ready(watched, announced)
    mark = watched.mark()
    with held(large.pids()):
        withdrawn(watched, "held by a debugger")
    announced_again(watched, announced, mark)


def ready(watched: Watched, announced: Held) -> None:
    """Wait until all is announced, and the pulse knows the server's sockets and processes."""
    watched.holds(announced)

    def complete() -> bool:
        sense = watched.status().senses["dns"]
        return isinstance(sense, dict) and not sense["detail"]

    eventually(complete, why="the pulse is complete")


def withdrawn(watched: Watched, *reasons: str) -> None:
    """Wait for the withdrawal for one of these reasons: the pulse has seen it, and no check."""
    watched.holds({})

    def why() -> str:
        last = watched.history()[-1]
        return last.why if last.kind == "withdrawn" else ""

    found = eventually(why, why="the journal says why")
    assert any(reason in found for reason in reasons), found


def announced_again(watched: Watched, announced: Held, mark: int) -> None:
    """Wait for the return; each prefix was withdrawn and announced once."""
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", announced) + each("announce", announced)
