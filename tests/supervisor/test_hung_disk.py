"""The state directory's file system hangs under fsfreeze(8): the daemon does not wait for it."""

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
    check, anycast = made.pop("dns"), made.pop("anycast")
    one = {"name": "dns", "dns": check, "anycast": anycast}
    two = {
        "name": "two",
        "dns": {**check, "port": str(OTHER_PORT)},
        "anycast": {
            "nexthop-interface": "eth0",
            "drain-time": "1s",
            "routes": [{"label": "second", "ip": SECOND}],
        },
    }
    return {**made, "services": [one, two]}


@pytest.fixture(scope="module")
def second(lab: Lab, config: dict[str, Any]) -> tuple[Watched, Daemon]:
    """Start the daemon and both servers, with a state directory on a file system of its own."""
    made = lay_out(lab, "bird", config)
    server = dns.nsd(made.dns1, zones={"google.com.": ()}, port=OTHER_PORT)
    made.dns1.run("sh", "-euc", f"mkdir -p {STATE_DIR}; {MOUNT} {STATE_DIR}")
    made.start_daemon()
    return made, server.daemon


@pytest.fixture
def frozen(second: tuple[Watched, Daemon]) -> Iterator[Watched]:
    """Freeze the file system, and thaw it after the test."""
    watched, _ = second
    eventually(lambda: SECOND in watched.table(), why="all is announced")
    watched.dns1.run("fsfreeze", "-f", STATE_DIR)
    yield watched
    watched.dns1.run("fsfreeze", "-u", STATE_DIR, check=False)
    watched.stop_daemon()
    watched.dns1.run("umount", STATE_DIR)


def test_two_services_that_die_are_withdrawn_while_the_journal_hangs(
    frozen: Watched, second: tuple[Watched, Daemon], announced: Held
) -> None:
    frozen.server.daemon.kill()
    eventually(lambda: set(frozen.table()) == {SECOND}, why="the first service is withdrawn")
    # The journal cannot record the first withdrawal while the file system is frozen.
    second[1].kill(whole=True)
    frozen.holds({})
    eventually(lambda: "journal" in frozen.status().problems, why="status says so")
    assert "its file system does not answer" in frozen.status().problems["journal"]
    frozen.server.restart()
    frozen.holds(announced)
    frozen.dns1.run("fsfreeze", "-u", STATE_DIR)
    eventually(lambda: not frozen.status().problems, why="the journal is written")
    written = [(one.kind, one.prefix) for one in frozen.history()]
    for prefix in (*announced, SECOND):
        assert ("withdrawn", prefix) in written, "the waiting entries are written"
