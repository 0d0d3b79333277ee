"""Any input from outside gives a value or an AnycastRoutedError, never another exception."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anycast_routed.model import Outcome
from anycast_routed.observe.checks.dns_message import Reply, Stray
from tests.support.configs import anycast_dns
from tests.support.fuzz_surfaces import SURFACES, judge_reply, load_config
from tests.support.malformed_replies import MALFORMED, REPLY
from tests.support.paths import ANYCAST_DNS_CONFIG

KEYS = [*anycast_dns(), *anycast_dns()["dns"], *anycast_dns()["anycast"]]
GOOD = ANYCAST_DNS_CONFIG.read_bytes()
TOML = b"""1\
[dns]
ip = "127.0.0.1"
query = "example.com"
[anycast]
nexthop-interface = "eth0"
routes = [{ label = "v6-primary", ip = "fd00::10:10:10:10/128" }]
[bgp]
id = "172.17.2.1"
as = 64512
peers = [{ ip = "172.17.2.254", description = "edge", as = 64512 }]
"""
UDP, TCP = b"\0", b"\xff"
FUZZED = settings(max_examples=150, deadline=None)

PATHOLOGICAL = [
    "0" + "[" * 200_000,
    "0" + '{"dns":' * 200_000,
    "0" + "[" * 900 + "]" * 900,
    "0" + '{"a":' * 900 + "1" + "}" * 900,
    "1a = " + "[" * 200_000,
    "1a = " + "{b = " * 200_000,
    "1" + "[a" + ".a" * 50_000 + "]",
    "1" + "a." * 50_000 + "a = 1",
    "1a = " + "[" * 400 + "]" * 400,
    "0" + '{"dns": ' + "9" * 100_000 + "}",
    "1dns = " + "9" * 100_000,
    "1dns = 0x" + "f" * 100_000,
    "1dns = 1e400",
    '0{"dns": 1e400}',
    '0{"dns": NaN, "anycast": -Infinity}',
    "1dns = nan",
    '0{"dns": 1, "dns": 1, "dns": 1}',
    '0{"\\ud800": 1}',
    '0{"dns": {"query": "\\ud800\\udfff"}}',
    '0{"dns": {"\\u0000": "\\u0000"}}',
    "1dns = 0000-00-00",
    "1dns = 9999-99-99T99:99:99",
    "1dns = 2026-01-01T00:00:00+99:99",
    "0\0",
    "1\0",
    "0null",
    "0[]",
    '0"dns"',
    '0{"dns": ' + "0." + "1" * 100_000 + "}",
    "0" + json.dumps({"services": [{}] * 1000}),
    "0" + json.dumps({f"key{number}": number for number in range(1000)}),
]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["127.0.0.1", "fd00::1/128", "lo", "dns", "1s", "\ud800", "{{x}}"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
        )
    ),
    max_leaves=12,
)


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """Return texts that equal `good` except for one replaced part."""
    return st.builds(
        lambda start, length, into: good[:start] + into + good[start + length :],
        st.integers(0, len(good)),
        st.integers(0, 40),
        st.binary(max_size=12)
        | st.text(max_size=12).map(lambda text: text.encode(errors="ignore")),
    )


@pytest.mark.parametrize("name", SURFACES)
@FUZZED
@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    SURFACES[name](data)


@FUZZED
@given(damaged(b"0" + GOOD) | damaged(TOML))
def test_a_damaged_config_is_read_or_refused(data: bytes) -> None:
    load_config(data)


@FUZZED
@given(values)
def test_a_config_of_random_values_is_read_or_refused(value: object) -> None:
    load_config(b"0" + json.dumps(value).encode())


@FUZZED
@given(st.sampled_from([*anycast_dns()]), values)
def test_a_config_with_a_section_of_random_values_is_read_or_refused(
    section: str, value: object
) -> None:
    load_config(b"0" + json.dumps(anycast_dns() | {section: value}).encode())


@pytest.mark.parametrize("number", range(len(PATHOLOGICAL)))
def test_a_pathological_config_is_refused(number: int) -> None:
    assert load_config(PATHOLOGICAL[number].encode()) is None


def test_the_inputs_that_are_damaged_here_are_valid() -> None:
    assert load_config(b"0" + GOOD)
    assert load_config(TOML)
    assert judge_reply(UDP + REPLY) == Reply(Outcome.PASS, "NOERROR", "NOERROR")


@pytest.mark.fault(9)
@FUZZED
@given(damaged(REPLY), st.sampled_from([UDP, TCP]))
@example(REPLY[:-1], UDP)
def test_a_reply_that_is_damaged(wire: bytes, transport: bytes) -> None:
    judge_reply(transport + wire)


@pytest.mark.fault(9)
@pytest.mark.parametrize("name", MALFORMED)
def test_a_reply_that_is_malformed_is_none(name: str) -> None:
    assert isinstance(judge_reply(UDP + MALFORMED[name]), Stray)
    assert isinstance(judge_reply(TCP + MALFORMED[name]), Stray)
