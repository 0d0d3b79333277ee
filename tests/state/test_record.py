"""The health record: a record of another boot, and a damaged one, are ignored."""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from anycast_routed.config import Dns
from anycast_routed.lab import Lab, bgp_receiver
from anycast_routed.model import Health, Verdict
from anycast_routed.state import record, recorded_checks
from anycast_routed.state.record import Record
from tests.support.dns_site import Held, Site, lay_out
from tests.support.health import dns_of
from tests.support.records import UP, record_of
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from anycast_routed.lab.bgp_receiver import Receiver

STATE = "/run/anycast-routed/state.json"
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
# Answers one question as the server of the anycast-dns config does, and ends.
ONE_ANSWER = """
import socket
import dns.message, dns.rrset
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("127.0.0.1", 53))
    packet, client = server.recvfrom(4096)
    reply = dns.message.make_response(dns.message.from_wire(packet))
    soa = "ns.google.com. hostmaster.google.com. 1 900 900 1800 60"
    reply.answer.append(dns.rrset.from_text("google.com.", 60, "IN", "SOA", soa))
    server.sendto(reply.to_wire(), client)
"""


def text(**changed: object) -> str:
    """Return the text of a good record of schema 3, with fields of its one Health changed."""
    health = {
        "verdict": "up",
        "passes": 2,
        "fails": 0,
        "reason": "",
        "unknown-since": None,
        "ever-up": True,
    }
    return json.dumps(
        {
            "schema": 3,
            "boot": record.this_boot(),
            "router": "bird",
            "health": {
                "dns": {
                    "dns": health | {key.replace("_", "-"): value for key, value in changed.items()}
                }
            },
            "flaps": {"dns": {"penalty": 1000.0, "at": 1.5, "count": 1}},
            "lowered": {"10.10.10.10/32": 2.5},
            "config": "ab12",
        }
    )


def link(path: Path) -> None:
    """Make a link to a good record, which this program never does."""
    path.with_name("elsewhere.json").write_text(text())
    path.symlink_to("elsewhere.json")


def listen(path: Path) -> None:
    """Make a socket at the path, by a short name: socket names are limited to 107 octets."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)


def holding(content: str) -> Callable[[Path], None]:
    """Return a function that writes this content to a path."""

    def write(path: Path) -> None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))

    return write


DAMAGED: dict[str, Callable[[Path], None]] = {
    "empty": holding(""),
    "garbage": holding("\x00\x01 no JSON \udcff"),
    "cut": holding(text()[:-20]),
    "deep": holding("[" * 100_000),
    "deep-object": holding('{"health":' * 100_000),
    "infinity": holding(text(passes=float("inf"))),
    "not-a-number": holding(text(passes=float("nan"))),
    "negative": holding(text(fails=-1)),
    "fraction": holding(text(passes=1.5)),
    "since-endless": holding(text(unknown_since=float("inf"))),
    "since-far": holding(text(unknown_since=1.7e18)),
    "penalty": holding(text().replace("1000.0", "NaN")),
    "at": holding(text().replace('"at": 1.5', '"at": 1e300')),
    "lowered": holding(text().replace("2.5", "-Infinity")),
    "huge": holding(text().replace('"passes": 2', f'"passes": {"9" * 10_000}')),
    "verdict": holding(text(verdict="maybe")),
    "verdict-type": holding(text(verdict=["up"])),
    "passes-type": holding(text(passes=None)),
    "since-type": holding(text(unknown_since="yesterday")),
    "missing": holding(text().replace('"fails"', '"other"')),
    "list": holding("[]"),
    "number": holding("1"),
    "health-list": holding(text().replace('"health": {', '"health": [], "other": {')),
    "service-text": holding(text().replace('"dns": {', '"dns": "up", "other": {')),
    "schema": holding(text().replace('"schema": 3', '"schema": 1')),
    "checks-list": holding(text().replace('"config"', '"checks": [], "config"')),
    "check-text": holding(text().replace('"config"', '"checks": {"dns": {"dns": 1}}, "config"')),
    "no-schema": holding(text().replace('"schema"', '"other"')),
    "directory": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "link": link,
    "loop": lambda path: path.symlink_to(path.name),
    "socket": listen,
}
# A rename cannot replace a directory, so it stays, and the operator gets an error.
STAYS = frozenset({"directory"})


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    kept = Record(
        record.this_boot(),
        "frr 1-2",
        {dns_of("dns"): UP, dns_of("other"): Health(Verdict.UNKNOWN, fails=1, unknown_since=12.5)},
        checks={dns_of("dns"): {"ip": "127.0.0.1", "query": "google.com.", "timeout": 0.25}},
        tried={dns_of("dns"): {"ip": "127.0.0.1", "query": "gogle.com."}},
        trials={dns_of("dns"): Health(Verdict.DOWN, fails=2, reason="NXDOMAIN")},
    )
    assert record.load(tmp_path / "missing") is None
    record.keep(tmp_path, kept)
    assert record.load(tmp_path) == kept


def test_an_unchanged_record_is_not_written_again(tmp_path: Path) -> None:
    record.keep(tmp_path, record_of())
    before = (tmp_path / "state.json").stat().st_ino
    record.keep(tmp_path, record_of())
    assert (tmp_path / "state.json").stat().st_ino == before


def test_a_record_of_another_boot_is_ignored_and_replaced(tmp_path: Path) -> None:
    record.keep(tmp_path, record_of(OTHER_BOOT))
    assert OTHER_BOOT in (tmp_path / "state.json").read_text()
    assert record.load(tmp_path) is None
    record.keep(tmp_path, record_of())
    assert record.load(tmp_path) == record_of()


def test_the_undamaged_text_of_a_record_is_read(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text())
    loaded = record.load(tmp_path)
    assert loaded is not None
    assert loaded.health[dns_of("dns")].verdict is Verdict.UP


def test_a_record_of_schema_2_is_read_so_that_an_upgrade_withdraws_nothing(tmp_path: Path) -> None:
    raw = json.loads(text(passes=1, unknown_since=12.5))
    health = raw["health"]["dns"]["dns"]
    snake_case = {key.replace("-", "_"): value for key, value in health.items()}
    older = {**raw, "schema": 2, "health": {"dns": snake_case}}
    (tmp_path / "state.json").write_text(json.dumps(older))
    loaded = record.load(tmp_path)
    assert loaded is not None
    assert loaded.health[dns_of("dns")] == Health(
        Verdict.UP, passes=1, reason="", unknown_since=12.5, ever_up=True
    )
    record.keep(tmp_path, replace(loaded, router="frr"))
    assert json.loads((tmp_path / "state.json").read_text())["schema"] == 3
    assert record.load(tmp_path) == replace(loaded, router="frr")


def test_a_record_of_an_older_version_names_no_checks(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text())
    loaded = record.load(tmp_path)
    assert loaded is not None
    assert (loaded.checks, loaded.tried, loaded.trials) == ({}, {}, {})


def test_each_check_is_read_back_from_a_record_as_it_was(tmp_path: Path) -> None:
    """Without those that only a newer version knows, or that are damaged."""
    checks = {
        dns_of("dns"): Dns(ip=ip_address("::1"), query="google.com.", timeout=0.25),
        dns_of("other"): Dns(
            ip=ip_address("192.0.2.1"), port=5353, query="a.", rrtype="A", pid_file=Path("/run/x")
        ),
    }
    written = recorded_checks.written(checks)
    record.keep(tmp_path, replace(record_of(), checks=written))
    loaded = record.load(tmp_path)
    assert loaded is not None
    assert recorded_checks.read(loaded.checks) == checks
    newer = {**written[dns_of("dns")], "of-a-newer-version": 1}
    damaged = {"ip": "nowhere", "query": 1}
    assert recorded_checks.read({dns_of("dns"): newer, dns_of("other"): damaged}) == {}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_record_is_ignored_and_replaced(tmp_path: Path, kind: str) -> None:
    DAMAGED[kind](tmp_path / "state.json")
    assert record.load(tmp_path) is None
    if kind not in STAYS:
        record.keep(tmp_path, record_of())
        assert record.load(tmp_path) == record_of()


@pytest.fixture
def site(lab: Lab) -> Site:
    """Run BIRD only."""
    return lay_out(lab, "bird")


@pytest.fixture
def peer(site: Site) -> Receiver:
    """Replace gobgpd by a peer that records every message."""
    site.gobgp.daemon.kill()
    return bgp_receiver.start(
        site.lab.hosts["peer"], asn=64512, router_id="172.17.2.253", peers={"172.17.2.1": 64512}
    )


def has_end_of_rib(peer: Receiver) -> bool:
    """Return whether BIRD has sent End-of-RIB for both address families (RFC 4724)."""
    return {event.text for event in peer.events() if event.kind == "end-of-rib"} == {
        "ipv4",
        "ipv6",
    }


@pytest.mark.integration
@pytest.mark.parametrize("same_boot", [True, False])
def test_one_passed_check_announces_only_with_a_verdict_of_this_boot(
    site: Site, peer: Receiver, announced: Held, *, same_boot: bool
) -> None:
    site.server.daemon.kill()
    run_dir = site.dns1.path("/run/anycast-routed")
    record.keep(run_dir, record_of(None if same_boot else OTHER_BOOT))
    once = site.dns1.start(sys.executable, "-c", ONE_ANSWER, name="answers-once")
    eventually(lambda: site.dns1.listens(53, protocol="udp"), why="the server listens")
    done = site.run("apply")
    assert once.wait(within=PATIENCE) == 0
    assert ("+ 10.10.10.10/32" in done.out) is same_boot
    eventually(lambda: has_end_of_rib(peer), why="BIRD has sent every route")
    assert peer.table().keys() == (announced.keys() if same_boot else set())
    assert any(event.kind == "announce" for event in peer.events()) is same_boot


@pytest.mark.integration
def test_apply_with_a_damaged_record_changes_no_announcement(
    site: Site, peer: Receiver, announced: Held
) -> None:
    site.run("apply")
    eventually(lambda: has_end_of_rib(peer), why="BIRD has sent every route")
    eventually(lambda: peer.table().keys() == announced.keys(), why="announced")
    state, mark = site.dns1.path(STATE), peer.mark()
    for kind in ("garbage", "deep", "infinity", "verdict-type", "schema", "fifo", "link"):
        state.unlink()
        DAMAGED[kind](state)
        done = site.run("apply", check=False)
        assert (kind, done.code, done.err) == (kind, 0, "")
        assert record.load(state.parent) is not None, f"{kind}: the next run has a record again"
    state.unlink()
    DAMAGED["directory"](state)
    done = site.run("apply", check=False)
    assert done.code == 73
    assert f"cannot write {STATE}" in done.err
    assert peer.since(mark) == []
    site.server.daemon.kill()
    assert site.run("apply", check=False).code == 73
    eventually(lambda: not peer.table(), why="withdrawn in spite of the failed write")
    assert {event.kind for event in peer.since(mark)} == {"withdraw"}
