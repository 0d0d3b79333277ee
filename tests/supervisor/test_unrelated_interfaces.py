"""Interfaces and addresses that no key of the config names come and go all the time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab.bird import Bird
from tests.support.waiting import PATIENCE, eventually
from tests.support.watched_site import BOTH_ROUTERS, Watched, each, lay_out, quick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anycast_routed.lab import Lab
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.fault(72), BOTH_ROUTERS]

HOP = "192.0.2.5"
"""The next hop, on an interface of its own: the BGP session does not depend on it."""
HOP6 = "fd00:99::5"
V4 = ("10.10.10.10/32", "10.10.10.11/32")
V6 = "fd00::10:10:10:10/128"
NEW = "10.10.10.12/32"
PAIRS = 60
"""Pairs of veths in each run of noise: about 800 messages of the kernel."""
NOISE = """
while :; do
    ip link add n0 type veth peer name p0
    ip link set n0 up
    ip link set p0 up
    ip address add 10.60.0.1/24 dev n0
    ip link del n0
done
"""
OPTIONS = {"bird": "debug commands 2;\n", "frr": "log commands\n"}
PASS = {"bird": "show protocols all", "frr": "show bgp summary json"}
"""What each pass asks the router once."""
GROUPS = "00000111"
"""Links, and the addresses of both families: no other program on the host subscribes to these."""
LOST = [f"address {change} 10.60.0.1/32 dev other0" for change in ("add", "del")] * 4000
"""More changes than fit into the buffer of the daemon's socket."""
EVERY = 3.0
"""Seconds from one pass of an idle daemon to the next."""


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config with one LocalPref, and next hops on the interface hop0."""
    made = quick()
    made["anycast"] |= {"nexthop-interface": "hop0", "decrease": 0}
    return made


@pytest.fixture(scope="module")
def running(lab: Lab, router_name: str, config: dict[str, Any]) -> Watched:
    """Add the interface, let the router log what it is asked, and start the daemon."""
    made = lay_out(lab, router_name, config, own=OPTIONS[router_name])
    made.lab.link(made.dns1, lab.hosts["peer"], names=("hop0", "hop0"))
    made.dns1.address("hop0", f"{HOP}/24").address("hop0", f"{HOP6}/64")
    made.dns1.ip("link", "add", "other0", "type", "veth", "peer", "name", "other1")
    made.start_daemon()
    return made


@pytest.fixture
def announced() -> Held:
    """Return the routes without any fault."""
    return {**dict.fromkeys(V4, (200, HOP)), V6: (200, HOP6)}


def passes(watched: Watched) -> int:
    """Count the passes of the daemon so far."""
    router = watched.router
    daemon = router.daemon if isinstance(router, Bird) else router.daemons["bgpd"]
    return daemon.log().count(PASS[watched.router_name])


def settled(watched: Watched) -> None:
    """Wait until the daemon makes no more passes than an idle one: after a start it makes more."""

    def quiet() -> bool:
        before = passes(watched)
        time.sleep(EVERY / 2)
        return before > 0 and passes(watched) - before <= 1

    eventually(quiet, why="the daemon only passes every three seconds")


@contextmanager
def idle_meanwhile(watched: Watched) -> Iterator[None]:
    """Fail if the daemon makes more passes inside the `with` block than an idle one would."""
    settled(watched)
    before, begun = passes(watched), time.monotonic()
    yield
    made, seconds = passes(watched) - before, time.monotonic() - begun
    # On a busy machine there were up to eight in ten seconds; one a batch of changes would be 60.
    assert made <= seconds + 3, f"{made} passes in {seconds:.1f} s"


def batch(watched: Watched, lines: list[str]) -> None:
    """Run these commands of ip(8) at once."""
    text = "".join(f"{line}\n" for line in lines)
    watched.dns1.run("ip", "-batch", "-", stdin=text, within=PATIENCE)


def label(change: str) -> str:
    """Return the command that adds or deletes a labelled address."""
    return f"address {change} {NEW} dev lo label lo:dns3"


def veths() -> Iterator[list[str]]:
    """Yield the commands for each pair of veths that comes, gets an address, and goes."""
    for number in range(PAIRS):
        yield [
            f"link add n{number} type veth peer name p{number}",
            f"link set n{number} up",
            f"link set p{number} up",
            f"address add 10.60.0.1/24 dev n{number}",
            f"address add 10.60.0.2/32 dev lo label lo:web{number}",
            f"link del n{number}",
            "address del 10.60.0.2/32 dev lo",
        ]


@contextmanager
def noise(watched: Watched) -> Iterator[None]:
    """Let veths come and go all the time inside the `with` block."""
    running = watched.dns1.start("sh", "-c", NOISE, name="noise")
    try:
        yield
    finally:
        running.kill()


def test_veths_that_come_and_go_cause_no_pass(watched: Watched, announced: Held) -> None:
    mark = watched.mark()
    with idle_meanwhile(watched):
        for lines in veths():
            batch(watched, lines)
    watched.holds(announced)
    assert not watched.updates(mark)


def test_a_label_and_a_next_hop_are_seen_among_veths_that_come_and_go(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    with noise(watched):
        watched.dns1.address("lo", NEW, label="lo:dns3")
        watched.holds({**announced, NEW: (200, HOP)})
        watched.dns1.remove_address("lo", NEW)
        watched.holds(announced)
        watched.dns1.remove_address("hop0", f"{HOP}/24")
        watched.holds({V6: announced[V6]})
        watched.dns1.address("hop0", f"{HOP}/24")
        watched.holds(announced)
        watched.dns1.remove_address("lo", V4[0])
        watched.holds({one: route for one, route in announced.items() if one != V4[0]})
        watched.dns1.address("lo", V4[0], label="lo:dns1")
        watched.holds(announced)
        watched.dns1.down("hop0")
        watched.holds({})
        # The kernel removes an IPv6 address with its interface.
        watched.dns1.up("hop0").address("hop0", f"{HOP6}/64")
        watched.holds(announced)
    changed = [NEW, *V4, V4[0], *announced]
    assert watched.updates(mark) == each("announce", changed) + each("withdraw", changed)


def test_a_change_among_lost_messages_of_other_interfaces_is_seen(
    watched: Watched, announced: Held
) -> None:
    mark, daemon = watched.mark(), watched.process()
    daemon.pause()
    batch(watched, [*LOST, label("add"), *LOST[:2]])
    assert dropped(watched) > 0
    daemon.resume()
    watched.holds({**announced, NEW: (200, HOP)})
    daemon.pause()
    batch(watched, [*LOST, label("del"), *LOST[:2]])
    daemon.resume()
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", [NEW]) + each("withdraw", [NEW])


def test_lost_messages_of_other_interfaces_cause_no_pass(watched: Watched, announced: Held) -> None:
    mark = watched.mark()
    with idle_meanwhile(watched):
        for number in range(1, 9):
            watched.process().pause()
            batch(watched, [*LOST, f"address add 10.61.0.{number}/32 dev other0"])
            assert dropped(watched) > 0
            watched.process().resume()
            again = "the daemon reads everything again, and has another socket"
            eventually(lambda: dropped(watched) == 0, why=again)
    watched.holds(announced)
    assert not watched.updates(mark)


def dropped(watched: Watched) -> int:
    """Count the messages that the kernel has dropped at the socket that the daemon has now."""
    head, *lines = watched.dns1.run("cat", "/proc/net/netlink").out.splitlines()
    groups, drops = head.split().index("Groups"), head.split().index("Drops")
    (daemon,) = (fields for line in lines if (fields := line.split())[groups] == GROUPS)
    return int(daemon[drops])
