"""BIRD's text: the goldens, which BIRD itself must swallow, and one that it must refuse."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from seed_site import seed
from seed_text import observed, rendered

from anycast_routed import process
from anycast_routed.announce.bird import BirdSpeaker
from anycast_routed.errors import RejectedError
from anycast_routed.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"
BIRD = shutil.which("bird", path="/usr/sbin:/usr/bin") or "bird"


def without_bgp() -> dict[str, Any]:
    """Return the seed's config for an operator who owns the sessions."""
    config = seed()
    del config["bgp"]
    return config


def two_services() -> dict[str, Any]:
    """Return two services, one peer in another AS and one over IPv6."""
    config = seed()
    second = {
        "name": "web-2",
        "dns": config["dns"],
        "anycast": {
            "nexthop-interface": "eth0",
            "routes": [{"label": "web", "ip": "192.0.2.80/32", "localpref": 50}],
        },
    }
    first = {"name": "dns", "dns": config["dns"], "anycast": config["anycast"]}
    peers = [{"ip": "172.17.2.254", "as": 64999}, {"ip": "fd00:17:2::fd", "as": 64512}]
    return {"services": [first, second], "bgp": {**config["bgp"], "peers": peers}}


CASES: dict[str, Callable[[], str]] = {
    "bird-seed-up": lambda: rendered("bird", seed(), observed(Verdict.UP)),
    "bird-seed-down": lambda: rendered("bird", seed(), observed(Verdict.DOWN)),
    "bird-without-bgp": lambda: rendered("bird", without_bgp(), observed(Verdict.UP)),
    "bird-two-services": lambda: rendered("bird", two_services(), observed(Verdict.UP)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    """A change here is a change of every operator's file: `python test_bird_text.py` writes it."""
    assert CASES[name]() == (GOLDEN / f"{name}.conf").read_text()


@pytest.mark.integration
@pytest.mark.parametrize("name", CASES)
def test_bird_swallows_the_golden(name: str) -> None:
    done = process.run([BIRD, "-p", "-c", str(GOLDEN / f"{name}.conf")], within=10)
    assert (done.code, done.err) == (0, "")


@pytest.mark.integration
def test_bird_refuses_a_bad_one_with_line_and_column() -> None:
    text = CASES["bird-seed-up"]().replace("local as 64512", "local ass 64512", 1)
    file = Path("/run/anycast-routed/bird.conf")
    line = 1 + text[: text.index("local ass")].count("\n")
    with pytest.raises(RejectedError, match=rf"{file}:{line}:\d+ syntax error"):
        BirdSpeaker(Path("/nonexistent"), file).check(text)


if __name__ == "__main__":
    for case, make in CASES.items():
        (GOLDEN / f"{case}.conf").write_text(make())
