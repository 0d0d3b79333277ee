"""The state folder's file system hangs, as it does under fsfreeze(8): nothing waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab import dns
from tests.support.waiting import eventually
from tests.support.watched_site import STATE_DIR, Watched, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Daemon, Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(33)]

SECOND = "10.10.10.99/32"
OTHER_PORT = 5353
MOUNT = "truncate -s 16M /run/img; mkfs.ext4 -q /run/img; mount -o loop /run/img"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Add a second service, with a server of its own."""
    made = quick()
    seed, anycast = made.pop("dns"), made.pop("anycast")
    one = {"name": "dns", "dns": seed, "anycast": anycast}
    two = {
        "name": "two",
        "dns": {**seed, "port": str(OTHER_PORT)},
        "anycast": {
            "nexthop-interface": "eth0",
            "drain-time": "1s",
            "routes": [{"label": "second", "ip": SECOND}],
        },
    }
    return {**made, "services": [one, two]}


@pytest.fixture(scope="module")
def second(lab: Lab, config: dict[str, Any]) -> tuple[Watched, Daemon]:
    """Start the daemon and both servers, with a state folder on a file system of its own."""
    made = lay_out(lab, "bird", config)
    server = dns.nsd(made.dns1, zones={"google.com.": ()}, port=OTHER_PORT)
    made.dns1.run("sh", "-euc", f"mkdir -p {STATE_DIR}; {MOUNT} {STATE_DIR}")
    made.start_daemon()
    return made, server.daemon


@pytest.fixture
def frozen(second: tuple[Watched, Daemon]) -> Iterator[Watched]:
    """Freeze it, and thaw it again."""
    watched, _ = second
    eventually(lambda: SECOND in watched.table(), why="all is announced")
    watched.dns1.run("fsfreeze", "-f", STATE_DIR)
    yield watched
    watched.dns1.run("fsfreeze", "-u", STATE_DIR, check=False)
    watched.stop_daemon()
    watched.dns1.run("umount", STATE_DIR)


def test_the_second_one_that_dies_goes_as_well(
    frozen: Watched, second: tuple[Watched, Daemon], announced: Held
) -> None:
    frozen.server.daemon.kill()
    eventually(lambda: set(frozen.table()) == {SECOND}, why="the first one goes")
    # Of the first one's end the journal has not been told yet, and will not be for a while.
    second[1].kill(whole=True)
    frozen.holds({})
    eventually(lambda: "journal" in frozen.status().problems, why="status says so")
    assert "its file system does not answer" in frozen.status().problems["journal"]
    frozen.server.restart()
    frozen.holds(announced)
    frozen.dns1.run("fsfreeze", "-u", STATE_DIR)
    eventually(lambda: not frozen.status().problems, why="it goes on")
    told = [(one.kind, one.prefix) for one in frozen.history()]
    for prefix in (*announced, SECOND):
        assert ("withdrawn", prefix) in told, "what waited is written"
