"""Parse and build BGP messages, without a daemon."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.lab import bgp_messages


@given(st.binary(max_size=200), st.booleans())
def test_the_parsers_raise_only_malformed_error(body: bytes, four_octet: bool) -> None:  # noqa: FBT001
    with contextlib.suppress(bgp_messages.MalformedError):
        bgp_messages.parse_update(body, four_octet=four_octet)
    with contextlib.suppress(bgp_messages.MalformedError):
        bgp_messages.parse_open(body)
    with contextlib.suppress(bgp_messages.MalformedError):
        bgp_messages.header(body)


@given(st.integers(1, 2**32 - 1), st.integers(0, 65535))
def test_a_built_open_parses_to_the_same_values(asn: int, hold_time: int) -> None:
    message = bgp_messages.open_message(asn, hold_time, "192.0.2.1")
    assert bgp_messages.header(message[:19]) == (len(message) - 19, bgp_messages.OPEN)
    assert bgp_messages.parse_open(message[19:]) == bgp_messages.Open(
        asn, hold_time, "192.0.2.1", four_octet=True
    )


@pytest.mark.parametrize(
    ("body", "family"),
    [("00000000", "ipv4"), ("00000006800f03000201", "ipv6"), ("0000000400010100", "")],
)
def test_an_empty_update_is_the_end_of_rib_of_its_family(body: str, family: str) -> None:
    assert bgp_messages.parse_update(bytes.fromhex(body), four_octet=True).end_of_rib == family


def test_an_update_with_every_attribute_is_parsed() -> None:
    attributes = bytes.fromhex(
        "40010100"  # origin
        "4002 0a 0202 0000fde8 fbf00001"  # AS_PATH 65000 4227858433
        "400304 c0000201"  # next hop
        "800404 00000032"  # MED
        "400504 000000c8"  # LOCAL_PREF
        "c00808 ffff0000 00010002"  # communities
    )
    nlri = bytes.fromhex("20 0a0a0a0a 10 c000")
    body = b"\0\0" + len(attributes).to_bytes(2) + attributes + nlri
    found = bgp_messages.parse_update(body, four_octet=True)
    assert found.announced == [("10.10.10.10/32", "192.0.2.1"), ("192.0.0.0/16", "192.0.2.1")]
    assert (found.med, found.local_pref, found.as_path) == (50, 200, [65000, 0xFBF00001])
    assert found.communities == ["65535:0", "1:2"]
    assert found.end_of_rib == ""
