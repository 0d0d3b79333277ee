"""The DNS server dies, hangs or is unreachable: withdrawn once, and the session stays up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.model import Verdict
from tests.support.waiting import eventually
from tests.support.watched_site import BOTH_ROUTERS, DNS, Watched, each

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, BOTH_ROUTERS]


def withdrawn_and_announced_again(watched: Watched, announced: Held, mark: int) -> None:
    """Wait for the withdrawal, end the fault, wait for the return; the peer sees nothing else."""
    watched.holds({})
    assert watched.table() == {}
    eventually(lambda: watched.status().health["dns"].verdict is Verdict.DOWN)
    watched.end_faults()
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", announced) + each("announce", announced)


@pytest.mark.fault(1)
def test_a_killed_server_is_withdrawn_once_and_nothing_else_is_sent(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.server.daemon.kill()
    watched.holds({})
    watched.status_agrees()
    withdrawn_and_announced_again(watched, announced, mark)
    watched.status_agrees()


@pytest.mark.fault(2)
def test_a_hung_server_whose_port_is_open_is_withdrawn_once(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.server.daemon.pause()
    withdrawn_and_announced_again(watched, announced, mark)


@pytest.mark.fault(3)
def test_a_server_that_no_packet_reaches_is_withdrawn_once(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.nft(f"{DNS} drop")
    withdrawn_and_announced_again(watched, announced, mark)
