"""Hostile strings from the config and from the kernel are refused, or add no statement."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.config import loads, names
from anycast_routed.config.values import Refused
from anycast_routed.decide.plan import plan
from anycast_routed.errors import ConfigError
from anycast_routed.lab import Lab, bird, frr
from anycast_routed.model import Health, HostAddress, Observed, Verdict
from tests.support.configs import anycast_dns
from tests.support.health import checks_of
from tests.support.plans import observed, rendered, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.config import Config
    from anycast_routed.model import CheckKey

COUNT = 10_000
PREFIX = 6  # the place of the route's prefix
SEED_PREFIXES = ("10.10.10.10/32", "10.10.10.11/32", "fd00::10:10:10:10/128")


def statements(router: str, text: str) -> int:
    """Count as the router's parser would: BIRD by marks outside of strings, FRR by lines."""
    if router == "frr":
        return sum(bool(line.strip(" !")) for line in re.split("[\n\r\v\f\x85\u2028|]", text))
    bare = re.sub(r'"[^"\n]*"', '""', text.replace("\n  disabled;\n", "\n"))
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


def all_up(config: Config) -> dict[CheckKey, Health]:
    """Return an UP health for each service of a config."""
    return checks_of({one.name: Health(Verdict.UP) for one in config.services})


@pytest.mark.fault(16, 40)
@pytest.mark.parametrize("router", ["bird", "frr"])
def test_strings_of_the_config(router: str) -> None:
    source = random.Random(53)  # noqa: S311 - the same strings in every run
    usual = statements(router, rendered(router, anycast_dns(), observed(Verdict.UP)))
    accepted = 0
    for number in range(COUNT // 5):
        config = placed(anycast_dns(), number % 10, hostile(source))
        try:
            loaded = loads(json.dumps(config), name="config.json", toml=False)
        except ConfigError:
            continue
        accepted += 1
        decision = plan(loaded, observed(Verdict.UP))
        counted = statements(router, text_of(router, decision))
        assert counted <= usual
        # Another prefix may be of the other family, which needs fewer lines on FRR.
        same_family = number % 10 != PREFIX
        if same_family and len(decision.announcements) == len(SEED_PREFIXES):
            assert counted == usual
    assert accepted > COUNT // 5000


def labelled(labels: list[str]) -> Observed:
    """Return the anycast-dns host with these labels, each on an address of its own."""
    facts = observed(Verdict.UP, ())
    first = ip_address("10.11.0.1")
    lo = (
        HostAddress("lo", IPv4Interface(f"{first + number}/32"), label)
        for number, label in enumerate(labels)
    )
    return replace(facts, addresses=(*facts.addresses, *lo))


def plain(label: str) -> bool:
    """Return whether an address with this label may be announced."""
    return re.fullmatch(r"lo:dns[A-Za-z0-9._-]*", label) is not None


@pytest.mark.fault(16)
@pytest.mark.parametrize("router", ["bird", "frr"])
def test_labels_of_the_kernel(router: str) -> None:
    """A label with unusual characters is skipped, and adds nothing to the router's config."""
    source = random.Random(179)  # noqa: S311 - the same labels in every run
    raw = anycast_dns()
    raw["anycast"]["decrease"] = 0
    loaded = loads(json.dumps(raw), name="config.json", toml=False)
    for _ in range(COUNT // 500):
        labels = [f"lo:dns{hostile(source)}"[:15] for _ in range(500)]
        good = [label for label in labels if plain(label)]
        decision = plan(loaded, labelled(labels))
        sources = [one.source for one in decision.announcements if one.source in labels]
        assert sorted(sources) == sorted(good)
        assert len(decision.withheld) == len(labels) - len(good)
        assert {one.reason for one in decision.withheld} <= {"bad-label"}
        alone = text_of(router, plan(loaded, labelled(["lo:dns1"] * len(good))))
        text = text_of(router, decision)
        assert statements(router, text) == statements(router, alone)
        assert text.isascii()


def crowded(descriptions: list[str], labels: list[str], names: list[str]) -> dict[str, Any]:
    """Make a config with these strings, each at a peer, a route and a service of its own."""
    raw = anycast_dns()
    services = [
        {
            "name": f"{name[:28]}-{number}",
            "dns": raw["dns"],
            "anycast": {
                "nexthop-interface": "eth0",
                "routes": [{"label": label, "ip": f"{ip_address('10.12.0.1') + number}/32"}],
            },
        }
        for number, (label, name) in enumerate(zip(labels, names, strict=True))
    ]
    peers = [
        {"ip": str(ip_address("172.18.0.1") + number), "description": description, "as": 64512}
        for number, description in enumerate(descriptions)
    ]
    return {"services": services, "bgp": raw["bgp"] | {"peers": peers}}


def taken(parse: Callable[[object], object], alphabet: str, count: int) -> list[str]:
    """Draw texts until so many of them are accepted."""
    source = random.Random(alphabet)  # noqa: S311 - the same texts in every run
    found: list[str] = []
    for _ in range(100 * count):
        text = "".join(source.choices(alphabet, k=source.randint(1, 30)))
        with suppress(Refused):
            parse(text)
            found.append(text)
        if len(found) == count:
            return found
    pytest.fail("too few are taken")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Render a config with 300 random strings of each kind, the oddest that are accepted."""
    odd = "".join(chr(code) for code in range(32, 127))
    raw = crowded(
        taken(names.description, odd, 300),
        taken(names.route_label, "a.-_0Z", 300),
        taken(names.service_name, "az-09", 300),
    )
    loaded = loads(json.dumps(raw), name="config.json", toml=False)
    facts = observed(Verdict.UP)
    known = replace(
        facts, checks=checks_of({one.name: Health(Verdict.UP) for one in loaded.services})
    )
    return {router: text_of(router, plan(loaded, known)) for router in ("bird", "frr")}


@pytest.mark.fault(40)
@pytest.mark.parametrize("router", ["bird", "frr"])
def test_the_oddest_strings_add_no_statement(router: str, texts: dict[str, str]) -> None:
    raw = crowded(["peer"] * 300, ["label"] * 300, ["name"] * 300)
    loaded = loads(json.dumps(raw), name="config.json", toml=False)
    facts = observed(Verdict.UP)
    known = replace(
        facts, checks=checks_of({one.name: Health(Verdict.UP) for one in loaded.services})
    )
    assert statements(router, texts[router]) == statements(
        router, text_of(router, plan(loaded, known))
    )
    assert max(map(len, texts[router].split("\n"))) <= 255


@pytest.mark.fault(40)
@pytest.mark.integration
def test_bird_takes_the_oddest_strings_as_they_are(lab: Lab, texts: dict[str, str]) -> None:
    host = lab.host("dns1")
    router = bird.start(host, f"router id 172.17.2.1;\n{bird.STOCK}{texts['bird']}")
    shown = router.birdc("show protocols all")
    wanted = re.findall(r'^  description "(.*)";$', texts["bird"], re.MULTILINE)
    assert len(wanted) == 600, "those of the peers, and ours of each static protocol"
    assert re.findall(r"^  Description: +(.*)$", shown, re.MULTILINE) == wanted
    ours = re.findall(r"^anycast_\S+ +(BGP|Static) ", shown, re.MULTILINE)
    assert Counter(ours) == {"BGP": 300, "Static": 300}


@pytest.mark.fault(40)
@pytest.mark.integration
def test_frr_takes_the_oddest_strings_as_they_are(lab: Lab, texts: dict[str, str]) -> None:
    host = lab.host("dns1")
    router = frr.start(host, texts["frr"])
    pattern = re.compile(r"^ neighbor (\S+) description (.*)$", re.MULTILINE)
    wanted = pattern.findall(texts["frr"])
    assert len(wanted) == 300
    shown = router.vtysh("show running-config")
    assert sorted(pattern.findall(shown)) == sorted(wanted)
    assert len(re.findall(r"^  network ", shown, re.MULTILINE)) == 300
