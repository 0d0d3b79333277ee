"""BIRD's text: the goldens, which BIRD itself must accept, and one that it must refuse."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.announce.bird.layout import BirdLayout
from anycast_routed.announce.bird.speaker import BirdSpeaker
from anycast_routed.errors import RejectedError
from anycast_routed.model import Drain, Stage, Verdict
from anycast_routed.system import commands
from tests.support.configs import anycast_dns
from tests.support.plans import observed, rendered

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.model import Observed

GOLDEN = Path(__file__).parent / "golden"
BIRD = shutil.which("bird", path="/usr/sbin:/usr/bin") or "bird"


def without_bgp() -> dict[str, Any]:
    """Return the anycast-dns config for an operator with sessions of their own."""
    config = anycast_dns()
    del config["bgp"]
    return config


def two_services() -> dict[str, Any]:
    """Return two services, one peer in another AS and one over IPv6."""
    config = anycast_dns()
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


def draining() -> Observed:
    """Return the anycast-dns host while one of its prefixes is drained."""
    drains = {"10.10.10.10/32": Drain(Stage.LOWERED, "new disk")}
    return replace(observed(Verdict.UP), drains=drains)


CASES: dict[str, Callable[[], str]] = {
    "anycast-dns-up": lambda: rendered("bird", anycast_dns(), observed(Verdict.UP)),
    "anycast-dns-down": lambda: rendered("bird", anycast_dns(), observed(Verdict.DOWN)),
    "draining": lambda: rendered("bird", anycast_dns(), draining()),
    "without-bgp": lambda: rendered("bird", without_bgp(), observed(Verdict.UP)),
    "two-services": lambda: rendered("bird", two_services(), observed(Verdict.UP)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    """A change here changes the file of every operator.

    `python -m tests.announce.bird.test_layout` writes the goldens.
    """
    assert CASES[name]() == (GOLDEN / f"{name}.conf").read_text()


@pytest.mark.integration
@pytest.mark.parametrize("name", CASES)
def test_bird_accepts_the_golden(name: str) -> None:
    done = commands.run([BIRD, "-p", "-c", str(GOLDEN / f"{name}.conf")], within=10)
    assert (done.code, done.err) == (0, "")


@pytest.mark.integration
def test_bird_refuses_a_bad_text_with_line_and_column() -> None:
    text = CASES["anycast-dns-up"]().replace("local as 64512", "local ass 64512", 1)
    file = Path("/run/anycast-routed/bird.conf")
    line = 1 + text[: text.index("local ass")].count("\n")
    with pytest.raises(RejectedError, match=rf"{file}:{line}:\d+ syntax error"):
        BirdSpeaker(Path("/nonexistent"), file).check(text)


@pytest.mark.integration
def test_bird_can_start_with_a_valid_text_and_not_with_a_damaged_one(tmp_path: Path) -> None:
    speaker = BirdSpeaker(tmp_path / "bird.ctl", tmp_path / "bird.conf")
    text = CASES["anycast-dns-up"]()
    cut = text.removesuffix("}\n")
    assert speaker.starts_with(text)
    assert not speaker.starts_with(cut)
    with socket.socket(socket.AF_UNIX) as bird:
        bird.bind(str(speaker.socket))
        bird.listen()
        assert speaker.starts_with(cut), "it runs"
    assert not speaker.starts_with(cut), "its socket has outlived it"


@pytest.mark.parametrize("script", ["kill -9 $$", "exit 127", "echo bird: no library >&2; exit 1"])
def test_a_parser_that_cannot_run_refuses_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    bird = tmp_path / "bird"
    bird.write_text(f"#!/bin/sh\n{script}\n")
    bird.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert BirdSpeaker(tmp_path / "bird.ctl", tmp_path / "bird.conf").starts_with("cut")


def drain(why: str) -> Drain:
    return Drain(Stage.LOWERED, why)


def test_another_note_renders_the_same_text() -> None:
    texts = {
        rendered(
            "bird", anycast_dns(), replace(draining(), drains={"dns": Drain(Stage.LOWERED, why)})
        )
        for why in ("", "new disk", "new disk, until 14:00")
    }
    assert len(texts) == 1


def test_a_drained_route_is_found_and_removed_like_any_other() -> None:
    layout = BirdLayout()
    text = CASES["draining"]()
    drained = ip_network("10.10.10.10/32")
    assert layout.held(text) == layout.held(CASES["anycast-dns-up"]())
    assert drained in layout.held(text)
    cut = layout.without(text, [drained])
    assert layout.held(cut) == layout.held(text) - {drained}
    assert layout.without(text)
    assert not layout.held(layout.without(text))


if __name__ == "__main__":
    for case, make in CASES.items():
        (GOLDEN / f"{case}.conf").write_text(make())
