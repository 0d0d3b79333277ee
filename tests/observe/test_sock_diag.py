"""What the kernel reports of UDP sockets: which serve an address, and which were closed."""

import os
import socket
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from anycast_routed.lab import eventually
from anycast_routed.observe.sock_diag import ClosedSockets, accepting, listeners, port_filter
from tests.support.users import OTHER, acting_as, needs_users

Bind = Callable[..., socket.socket]


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def serving(port: int, address: str) -> list[int]:
    return [one.inode for one in listeners(port).serving(ip_address(address))]


def test_a_socket_bound_to_the_address_is_preferred(bound: Bind) -> None:
    any4 = bound("0.0.0.0")  # noqa: S104
    port = any4.getsockname()[1]
    exact = bound("127.0.0.1", port)
    assert serving(port, "127.0.0.1") == [inode(exact)]
    assert serving(port, "127.0.0.2") == [inode(any4)]
    assert serving(port, "::1") == []
    exact.close()
    assert serving(port, "127.0.0.1") == [inode(any4)]


def test_a_dual_stack_socket_serves_both_families(bound: Bind) -> None:
    dual = bound("::")
    port = dual.getsockname()[1]
    assert serving(port, "127.0.0.1") == serving(port, "::1") == [inode(dual)]
    dual.close()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as only6:
        only6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        only6.bind(("::", 0))
        port = only6.getsockname()[1]
        assert (serving(port, "127.0.0.1"), serving(port, "::1")) == ([], [inode(only6)])


@needs_users
@pytest.mark.fault(49)
def test_a_socket_has_the_user_who_opened_it(bound: Bind) -> None:
    """On Linux, SO_REUSEADDR opens a UDP port to every user, and SO_REUSEPORT to the same one."""
    own = bound("0.0.0.0")  # noqa: S104
    port = own.getsockname()[1]
    with acting_as(OTHER):
        other = bound("127.0.0.1", port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as third:
            third.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                third.bind(("127.0.0.1", port))
    there = {one.inode: one.user for one in listeners(port).reachable_at(ip_address("127.0.0.1"))}
    assert there == {inode(own): 0, inode(other): OTHER}
    assert [one.inode for one in listeners(port).reachable_at(ip_address("127.0.0.2"))] == [
        inode(own)
    ]


def test_sockets_that_accept_tcp_connections_are_found_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        address = ip_address("127.0.0.1")
        with socket.create_connection(("127.0.0.1", port)):
            assert [one.inode for one in accepting(port).serving(address)] == [inode(server)]
        assert not listeners(port).serving(address)


def test_a_socket_that_is_bound_to_an_interface_has_its_index(bound: Bind) -> None:
    one = bound("127.0.0.1")
    one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    (found,) = listeners(one.getsockname()[1]).serving(ip_address("127.0.0.1"))
    assert (found.device, found.inode) == (socket.if_nametoindex("lo"), inode(one))


def test_the_queue_of_a_socket_grows_until_datagrams_are_taken_or_dropped(bound: Bind) -> None:
    server, client = bound("127.0.0.1"), bound("127.0.0.1")
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)

    def queue() -> tuple[int, int]:
        (found,) = listeners(server.getsockname()[1]).serving(ip_address("127.0.0.1"))
        return found.waiting, found.drops

    assert queue() == (0, 0)
    client.sendto(b"question", server.getsockname())
    waiting, drops = queue()
    assert waiting > 0
    assert drops == 0
    for _ in range(100):
        client.sendto(b"question", server.getsockname())
    full, drops = queue()
    assert full > waiting
    assert drops > 0
    while full:
        server.recv(100)
        before, (full, _) = full, queue()
        assert full < before


def test_a_connected_socket_is_not_a_listener(bound: Bind) -> None:
    client = bound("127.0.0.1")
    client.connect(("127.0.0.1", 9))
    assert serving(client.getsockname()[1], "127.0.0.1") == []


@pytest.mark.parametrize("others", [0, 1, 300, 5000])
def test_only_closed_listeners_on_the_ports_are_reported(bound: Bind, others: int) -> None:
    listener, foreign, client = bound("127.0.0.1"), bound("127.0.0.1"), bound("127.0.0.1")
    port, client_port = listener.getsockname()[1], client.getsockname()[1]
    client.connect(("127.0.0.1", 9))
    more = [one for one in range(1, others + 1) if one != foreign.getsockname()[1]]
    events = ClosedSockets([port, client_port, *more])
    try:
        foreign.close()
        client.close()
        listener.close()
        # The kernel reports them in their order, a moment later.
        assert eventually(events.read, within=20) == {port}
        assert events.read() == frozenset()
    finally:
        events.close()


def test_lost_events_make_every_port_suspect(bound: Bind) -> None:
    made = [bound("127.0.0.1") for _ in range(200)]
    ports = {one.getsockname()[1] for one in made}
    events = ClosedSockets(ports)
    try:
        events._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # noqa: SLF001
        for one in made:
            one.close()
        reported: set[int] = set()

        def all_reported() -> bool:
            reported.update(events.read())
            return reported == ports

        eventually(all_reported, within=20)
    finally:
        events.close()


def test_the_filter_stays_below_the_kernels_limit() -> None:
    assert len(port_filter(range(1, 60000))) < 10
    assert len(port_filter(range(1, 1000))) < 4096
