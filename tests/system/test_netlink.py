"""The framing of netlink messages and attributes, as octets and with the kernel itself."""

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.system import netlink

_RTM_GETLINK = 18
_IFLA_IFNAME = 3
_IFINFOMSG = 16
"""Octets of the ifinfomsg that starts the payload of a link message (rtnetlink(7))."""


def message(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """Return one message as the kernel writes it, padded to a multiple of four octets."""
    header = struct.pack("=IHHII", netlink.HEADER_SIZE + len(payload), kind, flags, 1, 0)
    return header + payload + bytes(-len(payload) % 4)


def test_a_request_says_its_length_type_and_flags() -> None:
    made = netlink.request(20, b"12345", flags=netlink.NLM_F_DUMP, sequence=7)
    assert made == struct.pack("=IHHII", 21, 20, 0x301, 7, 0) + b"12345"


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40))))
def test_messages_are_found_again_whatever_their_padding(
    sent: list[tuple[int, int, bytes]],
) -> None:
    datagram = b"".join(message(kind, payload, flags) for kind, flags, payload in sent)
    found = [
        (kind, flags, octets[netlink.HEADER_SIZE :])
        for kind, flags, octets in netlink.messages(datagram)
    ]
    assert found == sent


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40))))
def test_attributes_are_found_again_whatever_their_padding(sent: list[tuple[int, bytes]]) -> None:
    payload = b"".join(netlink.attribute(kind, value) for kind, value in sent)
    assert list(netlink.attributes(b"header" + payload, 6)) == sent


def test_the_flags_of_an_attribute_are_no_part_of_its_type() -> None:
    nested = netlink.attribute(0x8000 | 5, b"value")
    in_network_order = netlink.attribute(0x4000 | 6, b"more")
    assert list(netlink.attributes(nested + in_network_order, 0)) == [(5, b"value"), (6, b"more")]


@given(st.binary(max_size=200))
def test_any_octets_end_and_raise_nothing(octets: bytes) -> None:
    assert sum(len(found) for _, _, found in netlink.messages(octets)) <= len(octets)
    assert sum(len(value) for _, value in netlink.attributes(octets, 0)) <= len(octets)
    assert isinstance(netlink.error(octets), OSError)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_length_below_that_of_a_header_ends_the_walk(length: int) -> None:
    bad = struct.pack("=IHHII", length, 1, 0, 0, 0)
    assert list(netlink.messages(message(9, b"good") + bad + message(9, b"unseen"))) == [
        (9, 0, message(9, b"good"))
    ]
    assert list(netlink.attributes(struct.pack("=HH", min(length, 3), 1) + bytes(8), 0)) == []


def test_a_message_that_is_cut_short_is_given_as_far_as_it_goes() -> None:
    whole = message(9, b"12345678")
    assert list(netlink.messages(whole[:-3])) == [(9, 0, whole[:-3])]
    assert list(netlink.attributes(netlink.attribute(1, b"12345678")[:-3], 0)) == [(1, b"12345")]


def test_the_error_number_is_read_from_the_message() -> None:
    denied = message(netlink.NLMSG_ERROR, struct.pack("=i", -errno.EPERM) + bytes(16))
    assert netlink.error(denied).errno == errno.EPERM
    assert netlink.error(message(netlink.NLMSG_ERROR, b"")).errno == errno.EBADMSG


def test_the_kernel_answers_a_request_with_messages_and_an_end() -> None:
    names, ended = [], False
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_ROUTE) as kernel:
        kernel.settimeout(10)
        kernel.send(netlink.request(_RTM_GETLINK, bytes(_IFINFOMSG), flags=netlink.NLM_F_DUMP))
        while not ended:
            for kind, _, octets in netlink.messages(kernel.recv(netlink.LARGEST_DATAGRAM)):
                ended = ended or kind == netlink.NLMSG_DONE
                start = netlink.HEADER_SIZE + _IFINFOMSG
                names += [
                    value
                    for kind, value in netlink.attributes(octets, start)
                    if kind == _IFLA_IFNAME
                ]
    assert b"lo\0" in names


def test_the_kernel_refuses_an_unknown_request_with_an_error() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(10)
        kernel.send(netlink.request(0x7F, b""))
        ((kind, _, octets),) = netlink.messages(kernel.recv(netlink.LARGEST_DATAGRAM))
    assert kind == netlink.NLMSG_ERROR
    assert netlink.error(octets).errno == errno.EINVAL
