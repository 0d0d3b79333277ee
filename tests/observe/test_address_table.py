"""The table of interfaces and addresses, from messages that no kernel need have sent."""

import contextlib
import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.model import HostAddress
from anycast_routed.observe.address_table import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    AddressTable,
)
from anycast_routed.system import netlink

KINDS = (RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR)
Message = tuple[int, bytes]


def link(kind: int, index: int, name: str) -> Message:
    """Return a message about a link."""
    payload = struct.pack("=BxHiII", 0, 1, index, 1, 0)
    return kind, netlink.request(kind, payload + netlink.attribute(3, name.encode() + b"\0"))


def address(kind: int, index: int, cidr: tuple[int, int], peer: int, flags: int) -> Message:
    """Return a message about 10.0.0.LAST/LENGTH, with a peer if that is not 0."""
    last, length = cidr
    local = bytes((10, 0, 0, last))
    far = bytes((10, 0, 1, peer)) if peer else local
    payload = struct.pack("=BBBBi", socket.AF_INET, length, 0, 0, index)
    payload += netlink.attribute(2, local) + netlink.attribute(1, far)
    return kind, netlink.request(kind, payload + netlink.attribute(8, struct.pack("=I", flags)))


def place(found: HostAddress) -> tuple[str, int, int]:
    """Return the place of an address among the others."""
    return found.interface, int(found.address), found.address.network.prefixlen


indexes = st.integers(1, 3)
messages = st.one_of(
    st.builds(link, st.sampled_from(KINDS[:2]), indexes, st.sampled_from("abc")),
    st.builds(
        address,
        st.sampled_from([RTM_NEWADDR, RTM_NEWADDR, RTM_DELADDR]),
        indexes,
        st.tuples(st.integers(1, 3), st.sampled_from([24, 32])),
        st.integers(0, 2),
        st.sampled_from([0, 1, 0x20]),
    ),
)


@given(st.lists(messages, max_size=30))
def test_the_table_is_as_the_messages_say_and_sorted(sent: list[Message]) -> None:
    table, names = AddressTable(), dict[int, str]()
    known: dict[tuple[int, int, bytes], str] = {}
    for kind, message in sent:
        table.apply(kind, message)
        if kind in {RTM_NEWLINK, RTM_DELLINK}:
            index = struct.unpack_from("=i", message, netlink.HEADER_SIZE + 4)[0]
            names.pop(index, None)
            if kind == RTM_NEWLINK:
                names[index] = message[netlink.HEADER_SIZE + 20 :].partition(b"\0")[0].decode()
            known = {key: text for key, text in known.items() if key[0] in names}
            continue
        length, index = message[netlink.HEADER_SIZE + 1], message[netlink.HEADER_SIZE + 4]
        ends = message[netlink.HEADER_SIZE + 8 : netlink.HEADER_SIZE + 24]
        known.pop((index, length, ends), None)
        if kind == RTM_NEWADDR and index in names:
            known[index, length, ends] = f"10.0.0.{ends[7]}/{length}"
    found = table.host()
    assert found.interfaces == frozenset(names.values())
    shown = [(one.interface, str(one.address)) for one in found.addresses]
    assert sorted(shown) == sorted((names[key[0]], text) for key, text in known.items())
    assert [place(one) for one in found.addresses] == sorted(map(place, found.addresses))


@given(st.sampled_from(KINDS), st.binary(max_size=80))
def test_any_octets_are_applied_or_refused_as_malformed(kind: int, payload: bytes) -> None:
    table = AddressTable()
    table.apply(*link(RTM_NEWLINK, 1, "lo"))
    message = netlink.request(kind, payload)
    with contextlib.suppress(OSError):
        table.apply(kind, message)
        return
    with pytest.raises(OSError, match="malformed") as refused:
        table.apply(kind, message)
    assert refused.value.errno == errno.EBADMSG
