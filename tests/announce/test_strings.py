"""Hostile strings, from the config and from the kernel: refused, or they add no statement."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from seed_site import seed
from seed_text import observed, rendered, text_of

from anycast_routed.config import loads
from anycast_routed.decide.plan import plan
from anycast_routed.errors import ConfigError
from anycast_routed.model import Verdict

COUNT = 10_000
PREFIX = 6  # the place of the route's prefix
SEED_PREFIXES = ("10.10.10.10/32", "10.10.10.11/32", "fd00::10:10:10:10/128")


def statements(router: str, text: str) -> int:
    """Count as the router's parser would: BIRD by marks outside of strings, FRR by lines."""
    if router == "frr":
        return sum(bool(line.strip(" !")) for line in re.split("[\n\r\v\f\x85\u2028|]", text))
    bare = re.sub(r'"[^"\n]*"', '""', text)
    bare = re.sub(r"#[^\n]*|/\*.*?\*/", "", bare, flags=re.DOTALL)
    return len(re.findall(r"[{};]", bare))


def hostile(source: random.Random) -> str:
    """Return a string that tries to end a statement, a string or a line."""
    pieces = [
        *('"', "'", ";", "{", "}", "\n", "\r", "\\", "#", "/*", "*/", "{{x}}", "{%", "$(id)", "`"),
        *("../", "\x00", "\x1b[2J", "é", "\ud800", " ", "!", "|", "dns1", "10.0.0.1/32", "a" * 300),
        *('"; protocol static evil { ipv4; route 0.0.0.0/0 blackhole; }', "exit", "end", "no"),
    ]
    return "".join(source.choices(pieces, k=source.randint(1, 4)))


def placed(config: dict[str, Any], where: int, text: str) -> dict[str, Any]:
    """Put the text into one of the config's strings."""
    anycast, bgp = config["anycast"], config["bgp"]
    match where:
        case 0:
            bgp["peers"][0]["description"] = text
        case 1:
            anycast["routes"][0]["label"] = text
        case 2:
            anycast["interface"] = text
        case 3:
            anycast["prefix"] = text
        case 4:
            anycast["nexthop-interface"] = text
        case 5:
            config["dns"]["query"] = text
        case _ if where == PREFIX:
            anycast["routes"][0]["ip"] = text
        case 7:
            bgp["id"] = text
        case 8:
            bgp["peers"][1]["ip"] = text
        case _:
            named = {"name": text, "dns": config["dns"], "anycast": anycast}
            return {"services": [named], "bgp": bgp}
    return config


@pytest.mark.parametrize("router", ["bird", "frr"])
def test_strings_of_the_config(router: str) -> None:
    source = random.Random(53)  # noqa: S311 - the same strings in every run
    usual = statements(router, rendered(router, seed(), observed(Verdict.UP)))
    accepted = 0
    for number in range(COUNT):
        config = placed(seed(), number % 10, hostile(source))
        try:
            loaded = loads(json.dumps(config), name="config.json", toml=False)
        except ConfigError:
            continue
        accepted += 1
        decision = plan(loaded, observed(Verdict.UP))
        counted = statements(router, text_of(router, decision))
        assert counted <= usual
        # Another prefix may be of the other family, which takes fewer lines on FRR.
        same_family = number % 10 != PREFIX
        if same_family and len(decision.announcements) == len(SEED_PREFIXES):
            assert counted == usual
    assert accepted > COUNT // 1000


@pytest.mark.parametrize("router", ["bird", "frr"])
def test_labels_of_the_kernel(router: str) -> None:
    source = random.Random(179)  # noqa: S311 - the same labels in every run
    loaded = loads(json.dumps(seed()), name="config.json", toml=False)
    alone = statements(router, text_of(router, plan(loaded, observed(Verdict.UP, ("lo:dns1",)))))
    both = statements(router, rendered(router, seed(), observed(Verdict.UP)))
    for _ in range(COUNT):
        label = f"lo:dns{hostile(source)}"[:15]
        decision = plan(loaded, observed(Verdict.UP, ("lo:dns1", label)))
        announced = label[3:] in {a.source[3:] for a in decision.announcements}
        assert announced or any(w.reason == "bad-label" for w in decision.withheld)
        assert statements(router, text_of(router, decision)) == (both if announced else alone)
