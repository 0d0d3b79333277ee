"""Labels and next hops appear and disappear: the plan follows, with one UPDATE per prefix."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.lab.bird import Bird
from tests.support.waiting import PATIENCE, eventually
from tests.support.watched_site import Watched, each, quick

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anycast_routed.lab import Host
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

HOPS = ("192.0.2.5", "fd00:99::5")
"""The next hops, on an interface of their own: the BGP session does not depend on it."""
SECOND = "198.51.100.7"
DUPLICATE = "fd00:99::1"
V4 = ("10.10.10.10/32", "10.10.10.11/32")
V6 = "fd00::10:10:10:10/128"
MANY = [f"{IPv4Address('10.50.0.0') + number}/32" for number in range(1, 1001)]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """Return a config with one LocalPref, and next hops on the interface hop0."""
    made = quick()
    made["anycast"] |= {"nexthop-interface": "hop0", "decrease": 0}
    return made


@pytest.fixture(scope="module")
def running(laid_out: Watched) -> Watched:
    """Add the interface, and start the daemon."""
    dns1 = laid_out.dns1
    laid_out.lab.link(dns1, laid_out.lab.hosts["peer"], names=("hop0", "hop0"))
    dns1.address("hop0", f"{HOPS[0]}/24").address("hop0", f"{HOPS[1]}/64")
    # Keep the IPv6 address when the interface goes down.
    dns1.sysctl("net.ipv6.conf.hop0.keep_addr_on_down", 1)
    laid_out.start_daemon()
    return laid_out


@pytest.fixture
def announced() -> Held:
    """Return the routes without any fault."""
    return {**dict.fromkeys(V4, (200, HOPS[0])), V6: (200, HOPS[1])}


def batch(host: Host, lines: Iterable[str]) -> None:
    """Make these changes of addresses in one run of ip(8)."""
    host.run("ip", "-batch", "-", stdin="".join(f"{line}\n" for line in lines), within=PATIENCE)


def label(change: str, prefix: str, name: str) -> str:
    """Return the ip(8) command that adds or deletes a labelled address."""
    return f"address {change} {prefix} dev lo label lo:{name}"


@pytest.mark.fault(15)
def test_a_new_label_is_announced_and_a_removed_one_withdrawn(
    watched: Watched, announced: Held
) -> None:
    new, mark = "10.10.10.12/32", watched.mark()
    watched.dns1.address("lo", new, label="lo:dns3")
    watched.holds({**announced, new: (200, HOPS[0])})
    watched.dns1.remove_address("lo", new)
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", [new]) + each("withdraw", [new])


@pytest.mark.fault(15)
def test_a_renamed_label_is_withdrawn_if_the_new_name_does_not_match(
    watched: Watched, announced: Held
) -> None:
    prefix, host, mark = V4[1], watched.dns1, watched.mark()
    batch(host, [label("del", prefix, "dns2"), label("add", prefix, "web1")])
    watched.holds({one: route for one, route in announced.items() if one != prefix})
    batch(host, [label("del", prefix, "web1"), label("add", prefix, "dns2")])
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", [prefix]) + each("announce", [prefix])


@pytest.mark.fault(15)
def test_a_thousand_labels_at_once_need_few_reloads_and_one_update_each(
    watched: Watched, announced: Held
) -> None:
    many = dict.fromkeys(MANY, (200, HOPS[0]))
    mark, before = watched.mark(), reloads(watched)
    # Stopped, the daemon sees them at once, however long the kernel needs on a busy machine.
    watched.process().pause()
    batch(watched.dns1, [label("add", prefix, f"dns{n}") for n, prefix in enumerate(MANY, 100)])
    watched.process().resume()
    watched.holds(announced | many)
    # Changes within 20 ms are one reload, and so are those that come while a reload runs.
    assert reloads(watched) - before <= 5
    assert watched.updates(mark) == each("announce", MANY)
    mark = watched.mark()
    batch(watched.dns1, [label("del", prefix, f"dns{n}") for n, prefix in enumerate(MANY, 100)])
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", MANY)


def reloads(watched: Watched) -> int:
    """Count how often BIRD has loaded a config."""
    assert isinstance(watched.router, Bird)
    return watched.router.daemon.log().count("Reconfigured")


@pytest.mark.fault(17)
def test_a_second_address_changes_no_next_hop_until_the_first_one_goes(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.dns1.address("hop0", f"{SECOND}/24")
    watched.no_update_for(0.3)
    watched.dns1.remove_address("hop0", f"{HOPS[0]}/24")
    watched.holds(announced | dict.fromkeys(V4, (200, SECOND)))
    watched.dns1.address("hop0", f"{HOPS[0]}/24")
    watched.holds(announced)
    watched.dns1.remove_address("hop0", f"{SECOND}/24")
    watched.no_update_for(0.3)
    assert watched.updates(mark) == each("announce", V4) + each("announce", V4)


@pytest.mark.fault(17)
def test_without_a_next_hop_only_that_family_is_withdrawn(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.dns1.remove_address("hop0", f"{HOPS[0]}/24")
    watched.holds({V6: announced[V6]})
    watched.status_agrees()
    watched.dns1.address("hop0", f"{HOPS[0]}/24")
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", V4) + each("announce", V4)


@pytest.mark.fault(17)
@pytest.mark.parametrize("whose", ["dns1", "peer"])
def test_an_interface_that_goes_down_withdraws_its_prefixes_once(
    watched: Watched, announced: Held, whose: str
) -> None:
    mark, host = watched.mark(), watched.lab.hosts[whose]
    host.down("hop0")
    watched.holds({})
    host.up("hop0")
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", announced) + each("announce", announced)


@pytest.mark.fault(67)
def test_a_deprecated_address_stays_the_next_hop_until_there_is_another(
    watched: Watched, announced: Held
) -> None:
    mark, only, other = watched.mark(), HOPS[1], "fd00:99::9"
    prefer(watched.dns1, only, "0")
    watched.no_update_for(0.3)
    watched.status_agrees()
    watched.dns1.address("hop0", f"{other}/64")
    watched.holds({**announced, V6: (200, other)})
    watched.dns1.remove_address("hop0", f"{other}/64")
    watched.holds(announced)
    watched.dns1.address("hop0", f"{other}/64")
    watched.holds({**announced, V6: (200, other)})
    prefer(watched.dns1, only, "forever")
    watched.holds(announced)
    watched.dns1.remove_address("hop0", f"{other}/64")
    watched.no_update_for(0.3)
    assert watched.updates(mark) == Counter({("announce", V6): 4})


def prefer(host: Host, address: str, lifetime: str) -> None:
    """Set for how long the kernel prefers an address of hop0 as a source; 0 deprecates it."""
    options = ("valid_lft", "forever", "preferred_lft", lifetime)
    host.ip("-6", "address", "change", f"{address}/64", "dev", "hop0", *options)


@pytest.mark.fault(18)
def test_an_address_that_fails_duplicate_detection_is_no_next_hop_and_no_service(
    watched: Watched, announced: Held
) -> None:
    dns1, peer = watched.dns1, watched.lab.hosts["peer"]
    service = V6.removesuffix("/128")
    taken = [f"{DUPLICATE}/64", V6]
    dns1.remove_address("lo", V6)
    for one in taken:
        peer.address("hop0", one)
    for name in ("accept_dad", "dad_transmits"):
        dns1.sysctl(f"net.ipv6.conf.hop0.{name}", 1)
    mark = watched.mark()
    for one in taken:
        dns1.ip("address", "add", one, "dev", "hop0")
    watched.holds({prefix: announced[prefix] for prefix in V4})
    eventually(
        lambda: (
            dns1.ip("-6", "address", "show", "dev", "hop0", "dadfailed").count("dadfailed") == 2
        ),
        why=f"the kernel has found {DUPLICATE} and {service} at the peer",
    )
    watched.no_update_for(0.3)
    for one in taken:
        dns1.remove_address("hop0", one)
        peer.remove_address("hop0", one)
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", [V6]) + each("announce", [V6])
    dns1.address("lo", V6)


@pytest.mark.fault(19)
def test_after_a_netlink_overrun_all_addresses_are_read_again(
    watched: Watched, announced: Held
) -> None:
    new, mark, daemon = "10.10.10.12/32", watched.mark(), watched.process()
    daemon.pause()
    noise = [f"address {change} 10.60.0.1/32 dev lo" for change in ("add", "del")]
    batch(watched.dns1, [*(noise * 2000), label("add", new, "dns3")])
    assert dropped(watched) > 0
    daemon.resume()
    watched.holds({**announced, new: (200, HOPS[0])})
    watched.dns1.remove_address("lo", new)
    watched.holds(announced)
    assert watched.updates(mark) == each("announce", [new]) + each("withdraw", [new])


def dropped(watched: Watched) -> int:
    """Count the messages that the kernel dropped at the host's netlink sockets."""
    lines = watched.dns1.run("cat", "/proc/net/netlink").out.splitlines()
    column = lines[0].split().index("Drops")
    return sum(int(line.split()[column]) for line in lines[1:])
