"""What `changes` reports while the links and addresses of a host change."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from anycast_routed.lab import Host, Lab
from anycast_routed.model import HostAddress
from anycast_routed.observe import netlink_addresses
from tests.observe.address_follower import Follower
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

FAILING = """
import asyncio, contextlib, os, resource
from anycast_routed.observe import netlink_addresses
async def main():
    async with contextlib.aclosing(netlink_addresses.changes(buffer=1)) as changes:
        await anext(changes)
        for number in range(100):  # this blocks the loop, so most of the changes are lost
            os.system(f"ip address add 10.0.0.{number}/32 dev lo")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        again = asyncio.get_running_loop().call_later
        again(0.5, resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        async with asyncio.timeout(60):
            while len((await anext(changes)).addresses) < 100:
                pass
    print("complete")

asyncio.run(main())
"""
Inside = Callable[[Host, Callable[[], Any]], Any]


@pytest.fixture
def follow(inside: Inside) -> Iterator[Callable[..., Follower]]:
    """Follow the changes of a host in a thread; at the end, no report may equal the one before."""
    following: list[Follower] = []
    with ThreadPoolExecutor(1) as threads:

        def start(host: Host, *, buffer: int = 1024 * 1024) -> Follower:
            follower = Follower()
            following.append(follower)
            threads.submit(inside, host, lambda: asyncio.run(follower.run(buffer)))
            follower.reports(lambda _: True)
            return follower

        yield start
        for follower in following:
            follower.stop()
    for follower in following:
        assert all(
            one != other for one, other in zip(follower.seen, follower.seen[1:], strict=False)
        )


def batch(verb: str, count: int, third: int = 1) -> str:
    return "".join(
        f"address {verb} 10.{third}.{i // 250}.{i % 250}/32 dev lo label lo:dns{i}\n"
        for i in range(count)
    )


def same_as_read(follower: Follower, host: Host, inside: Inside) -> None:
    """Wait until the last report equals a new reading."""
    follower.reports(lambda seen: bool(seen == inside(host, netlink_addresses.read)))


def test_everything_is_reported_first_and_then_each_change(
    host: Host, inside: Inside, follow: Callable[..., Follower]
) -> None:
    host.address("lo", "10.0.0.1/32", label="lo:dns1")
    follower = follow(host)
    assert follower.seen == [inside(host, netlink_addresses.read)]
    host.address("lo", "10.0.0.2/32", label="lo:dns2").address("lo", "fd00::1/128")
    follower.has("10.0.0.2/32", label="lo:dns2")
    follower.has("fd00::1/128")
    host.remove_address("lo", "10.0.0.1/32")
    follower.lacks("10.0.0.1/32")
    host.remove_address("lo", "10.0.0.2/32").address("lo", "10.0.0.2/32", label="lo:other")
    follower.has("10.0.0.2/32", label="lo:other")
    host.remove_address("lo", "fd00::1/128")
    follower.lacks("fd00::1/128")
    same_as_read(follower, host, inside)


def test_nothing_is_reported_while_nothing_changes(
    host: Host, follow: Callable[..., Follower]
) -> None:
    follower = follow(host)
    host.ip("address", "add", "10.0.0.1/32", "dev", "lo", "valid_lft", "forever")
    follower.has("10.0.0.1/32")
    before = len(follower.seen)
    # Each of these makes the kernel send messages that change no reported value.
    host.ip("address", "change", "10.0.0.1/32", "dev", "lo")
    host.ip("link", "set", "lo", "alias", "loopback")
    host.address("lo", "10.0.0.2/32")
    follower.has("10.0.0.2/32")
    assert len(follower.seen) == before + 1


def test_links_that_go_down_come_up_and_are_renamed_are_reported(
    lab: Lab, inside: Inside, follow: Callable[..., Follower]
) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    follower = follow(host)
    lab.link(host, other)
    host.address("eth0", "172.17.2.1/24").address("eth0", "fd00:17::1/64")
    follower.reports(lambda seen: "eth0" in seen.interfaces and not seen.down)
    other.down("eth0")
    follower.reports(lambda seen: seen.down == {"eth0"})
    same_as_read(follower, host, inside)
    other.up("eth0")
    follower.reports(lambda seen: not seen.down)
    host.down("eth0")
    follower.reports(lambda seen: seen.down == {"eth0"})
    follower.lacks("fd00:17::1/64")
    host.ip("link", "set", "eth0", "name", "uplink")
    follower.has("172.17.2.1/24", interface="uplink")
    same_as_read(follower, host, inside)
    host.up("uplink")
    follower.reports(lambda seen: not seen.down)
    host.down("lo")
    follower.reports(lambda seen: seen.down == {"lo"})
    same_as_read(follower, host, inside)
    host.ip("link", "del", "uplink")
    assert follower.lacks("172.17.2.1/24").interfaces == {"lo"}
    same_as_read(follower, host, inside)


def test_a_port_that_leaves_its_bridge_is_still_an_interface(
    lab: Lab, inside: Inside, follow: Callable[..., Follower]
) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    lab.link(host, other)
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "eth0", "master", "br0")
    follower = follow(host)
    host.ip("link", "set", "eth0", "nomaster")
    host.address("eth0", "172.17.2.1/24")
    follower.has("172.17.2.1/24", interface="eth0")
    same_as_read(follower, host, inside)


@pytest.mark.fault(18)
def test_a_new_ipv6_address_is_tentative_at_first(
    lab: Lab, inside: Inside, follow: Callable[..., Follower]
) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    lab.link(host, other)
    for name in ("accept_dad", "dad_transmits"):
        host.sysctl(f"net.ipv6.conf.eth0.{name}", "1")
    follower = follow(host)
    host.ip("address", "add", "fd00:17::1/64", "dev", "eth0")
    follower.has("fd00:17::1/64", tentative=False)
    tentative = HostAddress("eth0", ip_interface("fd00:17::1/64"), tentative=True)
    assert any(tentative in seen.addresses for seen in follower.seen)
    same_as_read(follower, host, inside)


def test_addresses_that_a_link_keeps_while_down_are_reported(
    lab: Lab, inside: Inside, follow: Callable[..., Follower]
) -> None:
    host, other = lab.host("dns1"), lab.host("other")
    lab.link(host, other)
    for name in ("accept_dad", "dad_transmits", "keep_addr_on_down"):
        host.sysctl(f"net.ipv6.conf.eth0.{name}", "1")
    host.address("eth0", "fd00:17::1/64")
    follower = follow(host)
    host.down("eth0")
    follower.reports(lambda seen: seen.down == {"eth0"})
    same_as_read(follower, host, inside)
    host.up("eth0")
    follower.reports(lambda seen: not seen.down)
    same_as_read(follower, host, inside)


def test_a_thousand_changes_at_once_are_reported_together(
    host: Host, inside: Inside, follow: Callable[..., Follower]
) -> None:
    follower = follow(host)
    for verb in ("add", "del"):
        before = len(follower.seen)
        with follower.held_up():
            host.run("ip", "-batch", "-", stdin=batch(verb, 1000))
        same_as_read(follower, host, inside)
        assert len(follower.seen) - before < 20, "100 waiting changes are reported together"


@pytest.mark.fault(19)
@pytest.mark.parametrize("buffer", [1, 1024 * 1024])
def test_after_lost_changes_everything_is_read_again(
    host: Host, inside: Inside, follow: Callable[..., Follower], buffer: int
) -> None:
    host.run("ip", "-batch", "-", stdin=batch("add", 100))
    follower = follow(host, buffer=buffer)
    with follower.held_up():
        host.run("ip", "-batch", "-", stdin=batch("add", 1000, third=2) + batch("del", 100))
        host.address("lo", "10.3.0.1/32")
    follower.has("10.3.0.1/32")
    same_as_read(follower, host, inside)
    host.remove_address("lo", "10.3.0.1/32")
    follower.lacks("10.3.0.1/32")
    same_as_read(follower, host, inside)


@pytest.mark.fault(14)
def test_changes_continue_after_a_time_without_free_descriptors(host: Host) -> None:
    root = str(ROOT)
    done = host.run(sys.executable, "-c", FAILING, env={**os.environ, "PYTHONPATH": root})
    assert done.out == "complete\n"


def test_the_socket_is_closed_and_waiting_takes_no_cpu_time(host: Host, inside: Inside) -> None:
    def sockets() -> int:
        links = Path("/proc/thread-self/fd").iterdir()
        return sum(1 for one in links if one.is_symlink() and "socket:" in str(one.readlink()))

    async def follow() -> tuple[int, int, int, float]:
        before = sockets()
        changes = netlink_addresses.changes()
        await anext(changes)
        during, began = sockets(), time.thread_time()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(changes)
        return before, during, sockets(), time.thread_time() - began

    async def closed_early() -> tuple[int, int]:
        before = sockets()
        async with aclosing(netlink_addresses.changes()) as changes:
            await anext(changes)
        return before, sockets()

    before, during, after, spent = inside(host, lambda: asyncio.run(follow()))
    assert (during, after) == (before + 1, before)
    assert spent < 0.1
    before, after = inside(host, lambda: asyncio.run(closed_early()))
    assert before == after
