"""What counts as a flap: a withdrawal that a peer saw, of a server that did not return at once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab.bird import Bird
from anycast_routed.model import Verdict
from tests.support.waiting import eventually
from tests.support.watched_site import Watched, each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(68)]

HOP = "192.0.2.5"
V4 = ("10.10.10.10/32", "10.10.10.11/32")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config with the default damping, and the IPv4 next hop on the interface hop0."""
    made = quick()
    del made["dns"]["half-life"]
    # So long that no hang of these tests outlasts it, on a busy machine either.
    made["dns"]["timeout"] = "10s"
    made["anycast"] |= {"nexthop-interface": "hop0", "decrease": 0, "routes": []}
    return made


@pytest.fixture(scope="module")
def running(laid_out: Watched) -> Watched:
    """Add the interface, and start the daemon."""
    dns1 = laid_out.dns1
    laid_out.lab.link(dns1, laid_out.lab.hosts["peer"], names=("hop0", "hop0"))
    dns1.address("hop0", f"{HOP}/24")
    laid_out.start_daemon()
    return laid_out


@pytest.fixture
def announced() -> Held:
    """Return the routes without any fault."""
    return dict.fromkeys(V4, (200, HOP))


def restart(watched: Watched, times: int) -> None:
    """Kill and restart the server so many times."""
    for _ in range(times):
        watched.server.daemon.kill()
        watched.status_has(Verdict.DOWN)
        watched.server.restart()
        watched.status_has(Verdict.UP)


def hang(watched: Watched, announced: Held, times: int) -> None:
    """Stop the server's process so many times, each time until the peer holds nothing."""
    for _ in range(times):
        watched.server.daemon.pause()
        watched.holds({})
        watched.server.daemon.resume()
        watched.holds(announced)


def test_restarts_while_there_is_no_next_hop_are_no_flaps(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.dns1.remove_address("hop0", f"{HOP}/24")
    watched.holds({})
    restart(watched, 3)
    assert not watched.status().damped
    watched.dns1.address("hop0", f"{HOP}/24")
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", V4) + each("announce", V4)


def test_restarts_while_no_session_is_up_are_no_flaps(watched: Watched, announced: Held) -> None:
    assert isinstance(watched.router, Bird)
    session = watched.document("status")["sessions"][0]["name"]
    watched.router.birdc("disable", session)
    eventually(
        lambda: not watched.document("status", check=False)["sessions"][0]["established"],
        why="the session is down",
    )
    # The daemon reads BIRD back every three seconds.
    eventually(lambda: watched.status().findings, why="the daemon has seen it")
    restart(watched, 3)
    assert not watched.status().damped
    watched.router.birdc("enable", session)
    watched.holds(announced)


def test_a_server_that_answers_again_within_the_timeout_has_not_flapped(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    hang(watched, announced, 3)
    assert not watched.status().damped
    thrice = sum((each("withdraw", V4) + each("announce", V4) for _ in range(3)), Counter())
    assert watched.updates(mark) == thrice
    assert "damped" not in watched.process().log()
