"""Which router is used on a host with both, or after one of them was removed."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import Lab, frr
from tests.support.waiting import eventually
from tests.support.watched_site import RUN_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

DEAD_SOCKET = "import socket; socket.socket(socket.AF_UNIX).bind('/run/frr/bgpd.vty')"


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """Lay out a host with BIRD, and its peer."""
    with Lab() as lab:
        yield lay_out(lab, "bird", quick())


def test_installing_frr_later_does_not_keep_a_dead_service_announced(watched: Watched) -> None:
    """The config must name one of two routers; announced prefixes are withdrawn all the same."""
    watched.dns1.run("mkdir", "-p", "/run/frr")
    watched.dns1.run(sys.executable, "-c", DEAD_SOCKET)
    watched.run("apply")
    eventually(lambda: len(watched.table()) == 3, why="a socket alone is no router")

    (watched.file("/run/frr") / "bgpd.vty").unlink()
    frr.start(watched.dns1)
    watched.server.daemon.kill()
    watched.run("apply")
    watched.holds({})

    watched.server.restart()
    watched.run("apply")
    eventually(lambda: len(watched.table()) == 3, why="the last run says which")
    record = watched.file(RUN_DIR) / "state.json"
    record.unlink()
    assert watched.run("withdraw").out.startswith("- 10.10.10.10/32")
    watched.holds({})

    record.unlink(missing_ok=True)
    unsure = watched.run("apply", check=False)
    assert unsure.code == 78
    assert "both BIRD and FRR run here (/run/bird/bird.ctl and /var/run/frr/bgpd.vty)" in unsure.err
    both = watched.run("withdraw").out
    assert re.search(r"BIRD [\d.]+ exports no anycast prefix; FRR", both)
