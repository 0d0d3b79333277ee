"""Each string of the config is within its alphabet or refused; durations are parsed exactly."""

import math
import random
import re
import string
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycast_routed.config import values
from anycast_routed.config.json_schema import schema
from anycast_routed.config.keys import every, inner
from anycast_routed.config.values import Value
from anycast_routed.password import Password

HOSTILE = "\"\\|;{}$#`'\n\r\t\0 %/.:-_~*?[]<>()&!@=+,äß\u202e\u2028\ud800\U0001f600"
PIECES = ["a", "dns", "10.0.0.1", "/32", "fd00::1", "/128", "{{x}}", "../", "/run/x", "; }", "::1%"]
ALPHABETS = {
    r"[a-z][a-z0-9-]{0,31}": ("services[].name",),
    r"[A-Za-z0-9._-]{1,64}": ("anycast.routes[].label",),
    r"(?!\.{1,2}\Z)[!-.0-9;-~]{1,15}": ("anycast.interface", "anycast.nexthop-interface"),
    r"[A-Za-z0-9._-]{1,13}": ("anycast.prefix",),
    r"\.|([A-Za-z0-9_-]{1,63}\.)+": ("dns.query",),
    r"[A-Z0-9]{1,10}": ("dns.rrtype",),
    r"([^\x00- \x7f-\U0010ffff\"\\|;{}$#`]+ ?)*": ("bgp.peers[].description",),
    r"/[A-Za-z0-9._/@+=:,~ -]{1,254}": (
        *("dns.pid-file", "daemon.run-dir", "daemon.state-dir", "router.control-socket"),
        *("router.config-file", "router.include-file", "router.vty-dir", "router.template-dir"),
    ),
    r"[A-Za-z0-9._/@+=:,~ -]{1,255}": ("router.vtysh", "bgp.peers[].password-file"),
    r"[0-9a-f.:]{2,39}": (
        *("dns.ip", "bgp.peers[].ip", "anycast.next-hop-ipv4", "anycast.next-hop-ipv6"),
    ),
    r"[0-9.]+/32|[0-9a-f:]+/128": ("anycast.routes[].ip",),
    r"[0-9.]{7,15}": ("bgp.id",),
    r"[1-9][0-9]{0,4}": ("dns.port",),
}
"""The keys that keep their text, by the pattern of the texts that may pass."""


def hostile(dice: random.Random) -> str:
    """Return a text of plain characters, dangerous characters, and pieces that are nearly valid."""
    plain = string.ascii_letters + string.digits + "-."
    parts = [
        dice.choice(PIECES)
        if dice.random() < 0.2
        else dice.choice(plain + HOSTILE)
        if dice.random() < 0.3
        else dice.choice(plain)
        for _ in range(dice.choice([0, 1, 2, 4, 8, 16, 64, 300]))
    ]
    return "".join(parts)


def outcome(parse: Callable[[object], object], text: str) -> tuple[str, str]:
    """Return the refusal and an empty text, or an empty refusal and the value as text."""
    try:
        value = parse(text)
        return "", str(value.file if isinstance(value, Password) else value)
    except values.Refused as refusal:
        return refusal.message + refusal.hint, ""


@given(st.text(max_size=40))
def test_a_quoted_text_is_one_printable_line(text: str) -> None:
    assert values.quoted(text).isprintable()


terms = st.tuples(
    st.integers(0, 10**9), st.integers(0, 999_999), st.sampled_from(sorted(values.NANOSECONDS))
)


@given(st.lists(terms, min_size=1, max_size=3))
def test_a_duration_is_the_sum_of_its_terms(parts: list[tuple[int, int, str]]) -> None:
    """Go cuts each term to whole nanoseconds."""
    text = "".join(f"{whole}.{rest:06d}{unit}" for whole, rest, unit in parts)
    exact = sum(
        math.floor((whole + Fraction(rest, 10**6)) * values.NANOSECONDS[unit])
        for whole, rest, unit in parts
    )
    assert values.seconds(0, 1e30)(text) == exact / 10**9


@given(st.integers(1, 10**15))
def test_a_duration_is_read_back_as_it_was_written(nanoseconds: int) -> None:
    text = values.spelled(nanoseconds / 10**9)
    assert values.seconds(0, 1e30)(text) == nanoseconds / 10**9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("250ms", 0.25),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("100us", 0.0001),
        ("100\u00b5s", 0.0001),
        ("100\u03bcs", 0.0001),
        ("1ns", 1e-9),
        (".5s", 0.5),
        ("1.s", 1),
        ("1s1s", 2),
        ("1h0m0.000000001s", 3600.000000001),
    ],
)
def test_durations_in_go_syntax_are_read(text: str, seconds: float) -> None:
    assert values.seconds(0, 1e9)(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", ".s", "1", "1 s", "1S", "-1s", "1s-", "1e3s", "\u0661s", "1s\n", "1.5.5s", "1" * 99],
)
def test_other_texts_are_refused_as_durations(text: str) -> None:
    with pytest.raises(values.Refused, match="must be a duration"):
        values.seconds(0, 1e9)(text)


DANGEROUS = '"\\|;{}$#`\n\r\t\0\x0b\x0c\x1b\x7f\x85äß\u2028\ud800\U0001f600'
"""Characters that end a string, a statement or a line for BIRD, FRR or vtysh, or are no ASCII."""
SAMPLES = (
    *("a", "dns", "SOA", "/a", "/a b/c", "example.com", "1s", "53", "10.0.0.1", "fd00::1"),
    *("10.0.0.1/32", "fd00::1/128", "vtysh", "Edge 1 (left)"),
)


def kinds() -> Iterator[tuple[str, list[Value]]]:
    """Yield each key that is no section, with the kinds of value that it takes."""
    for one in every():
        parts = [*one.field.metadata, *inside(one.field.annotation)]
        is_choice = any(get_origin(part) is Literal for part in parts)
        if inner(one.field.annotation) is None and not is_choice:
            yield one.path, [part for part in parts if isinstance(part, Value)]


def inside(annotation: object) -> list[object]:
    """Return an annotation and, recursively, its parts, with the metadata of Annotated."""
    parts = get_args(annotation)
    return [annotation, *(one for part in parts for one in inside(part))]


KINDS = dict(kinds())


@pytest.mark.fault(40)
@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda one: ALPHABETS[one][0])
def test_ten_thousand_random_texts_are_refused_or_within_the_alphabet(alphabet: str) -> None:
    """The parsers are those that the keys use."""
    parsers = [kind.parse for path in ALPHABETS[alphabet] for kind in KINDS[path]]
    dice = random.Random(alphabet)  # noqa: S311 - the same texts in every run
    for number in range(10_000):
        text = hostile(dice)
        refused, result = outcome(parsers[number % len(parsers)], text)
        assert refused.isprintable()
        assert len(refused) < 400
        assert refused or re.fullmatch(alphabet, result), (text, result)


@pytest.mark.fault(40)
def test_every_key_that_keeps_its_text_has_an_alphabet() -> None:
    listed = {path for paths in ALPHABETS.values() for path in paths}
    for path in KINDS.keys() - listed:
        for kind in KINDS[path]:
            results = [kind.parse(one) for one in SAMPLES if not outcome(kind.parse, one)[0]]
            assert all(isinstance(one, int | float) for one in results), (path, results)


@pytest.mark.fault(40)
@pytest.mark.parametrize("path", KINDS)
def test_every_key_refuses_dangerous_characters_and_long_texts(path: str) -> None:
    """A new key that takes any text fails here."""
    assert KINDS[path], f"{path} has no parser of `config.values`"
    for kind in KINDS[path]:
        taken = [sample for sample in SAMPLES if not outcome(kind.parse, sample)[0]]
        for sample in taken:
            for char in DANGEROUS:
                for place in range(len(sample) + 1):
                    text = sample[:place] + char + sample[place:]
                    assert outcome(kind.parse, text)[0], (path, text)
            for char in {*sample, "a", "1", " "}:
                for count in (255, 256, 1024, 100_000):
                    refused, result = outcome(kind.parse, sample + char * count)
                    assert refused or len(result.encode()) <= 255, (path, sample, char, count)


@pytest.mark.fault(40)
def test_every_string_in_the_schema_has_a_longest_length() -> None:
    def texts(form: object) -> Iterator[dict[str, object]]:
        if isinstance(form, dict):
            if form.get("type") == "string" and not form.keys() & {"enum", "const", "format"}:
                yield form
            for one in form.values():
                yield from texts(one)
        elif isinstance(form, list):
            for one in form:
                yield from texts(one)

    found = list(texts(schema()))
    assert len(found) > 10
    for form in found:
        digits = re.fullmatch(r"\^\[0-9\]\{1,5\}\$", str(form["pattern"]))
        assert digits or 0 < int(str(form["maxLength"])) <= 255, form
