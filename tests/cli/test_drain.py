"""`drain` and `undrain`, with and without a daemon, judged by the peers' tables."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.model import Stage
from tests.support.shifted_clock import set_clock, start_daemon
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration

ONE = "10.10.10.10/32"
GIVES_UP_AFTER = 11.0
"""Seconds that `--wait` waits for a daemon that does nothing: drain-time plus 10 s."""


@pytest.fixture
def quick(site: Site, dns_config: dict[str, Any]) -> Site:
    """Set a drain-time that is short, but longer than a slow machine takes for a read-back."""
    dns_config["anycast"]["drain-time"] = "3s"
    site.configure(dns_config)
    return site


def test_with_the_daemon_a_drain_is_lowered_then_withdrawn_and_lifted(
    quick: Site, announced: Held
) -> None:
    site = quick
    site.daemon()
    site.both_hold(announced)
    began = time.monotonic()
    said = site.run("drain", "--for", "10m", "--reason", "new kernel", "--wait").out
    assert time.monotonic() - began > 3.0, "it stays lowered for drain-time"
    assert "dns is drained: new kernel, until 20" in said
    assert said.index(f"~ {ONE}  LocalPref 200 -> 0") < said.index(f"- {ONE}  withdrawn")
    site.both_hold({})
    eventually(lambda: site.status().drains["dns"].stage is Stage.OUT, why="the status has it")
    shown = site.run("status").out
    assert "! drain of dns: out, new kernel, until 20" in shown
    assert f"! {ONE}" in shown
    chain = site.document("explain", ONE)["chain"]
    assert next(one["name"] for one in chain if one["holds"] is False) == "drain"

    said = site.run("undrain", "dns", "--wait").out
    assert "dns is no longer drained" in said
    assert f"+ {ONE}  LocalPref 200" in said
    site.both_hold(announced)
    assert "dns is not drained now" in site.run("undrain", "dns").out


@pytest.mark.parametrize("router_name", ["bird"])
def test_a_prefix_and_its_service_have_separate_drain_orders(quick: Site, announced: Held) -> None:
    site = quick
    site.daemon()
    site.both_hold(announced)
    site.run("drain", "10.10.10.10", "--wait")
    site.both_hold({p: r for p, r in announced.items() if p != ONE})
    site.run("drain", "dns", "--reason", "first")
    site.run("drain", "dns", "--reason", "second", "--wait")
    orders = json.loads(site.dns1.read("/var/lib/anycast-routed/drains.json"))["drained"]
    assert {one["target"]: one["reason"] for one in orders} == {ONE: "", "dns": "second"}
    site.both_hold({})
    done = site.run("undrain", ONE)
    assert f"warning: {ONE} stays drained, by the order for dns" in done.err
    site.run("undrain", "--wait")
    site.both_hold(announced)
    assert "nothing is drained now" in site.run("undrain").out


@pytest.mark.parametrize("router_name", ["bird"])
def test_a_drain_ends_at_its_time(quick: Site, announced: Held) -> None:
    site = quick
    set_clock(site, "+0")
    start_daemon(site)
    site.both_hold(announced)
    site.run("drain", "--for", "10m", "--wait")
    site.both_hold({})
    set_clock(site, "+601")
    site.both_hold(announced)


@pytest.mark.parametrize("router_name", ["bird"])
def test_wait_ends_when_the_drain_itself_ends(quick: Site, announced: Held) -> None:
    site = quick
    ours = site.daemon()
    site.both_hold(announced)
    ours.pause()
    done = site.run("drain", "--for", "4s", "--wait", check=False)
    ours.resume()
    assert done.code == 4
    waited = re.search(r"not done within ([\d.]+) s: 10\.10\.10\.10/32, ", done.err)
    assert waited, done.err
    assert 4.0 <= float(waited.group(1)) < GIVES_UP_AFTER


@pytest.mark.parametrize("router_name", ["bird"])
def test_without_a_daemon_drain_wait_does_both_steps(quick: Site, announced: Held) -> None:
    site = quick
    site.run("apply")
    site.both_hold(announced)
    said = site.run("drain", "--wait").out
    assert said.index(f"~ {ONE}  LocalPref 200 -> 0") < said.index(f"- {ONE}  withdrawn")
    site.both_hold({})
    assert f"+ {ONE}  LocalPref 200" in site.run("undrain", "--wait").out
    site.both_hold(announced)


@pytest.mark.parametrize("router_name", ["bird"])
def test_without_a_daemon_two_runs_of_apply_drain(quick: Site, announced: Held) -> None:
    site = quick
    site.run("apply")
    site.both_hold(announced)
    for _ in range(2):
        assert "the next apply lowers the LocalPref" in site.run("drain").err
        assert "LocalPref 200 -> 0" in site.run("apply").out
        lowered: Held = {prefix: (0, hop) for prefix, (_, hop) in announced.items()}
        site.both_hold(lowered)
        assert site.document("status")["drains"]["dns"]["stage"] in {"lowered", "out"}
        eventually(lambda: "- " in site.run("apply").out, why="drain-time is over")
        site.both_hold({})
        assert "the next apply announces" in site.run("undrain").err
        site.run("apply")
        site.both_hold(announced)


@pytest.mark.parametrize("router_name", ["bird"])
def test_undrain_of_a_dead_service_reports_why_it_stays_withdrawn(
    quick: Site, announced: Held
) -> None:
    site = quick
    site.run("apply")
    site.both_hold(announced)
    site.run("drain", "--wait")
    site.server.daemon.kill()
    done = site.run("undrain", "--wait", check=False)
    assert done.code == 4
    assert "dns is down" in done.err


@pytest.mark.parametrize("router_name", ["bird"])
def test_undrain_ends_the_wait_of_a_service_that_flaps(site: Site, announced: Held) -> None:
    site.daemon()
    for _ in range(6):
        site.both_hold(announced)
        site.server.daemon.kill()
        site.both_hold({})
        site.server.restart()
        eventually(
            lambda: site.document("status")["health"]["dns"]["verdict"] == "up",
            why="up again",
        )
        if site.document("status")["damped"]:
            break
    else:
        pytest.fail("it was never damped")
    assert "! dns went down 2 times: withheld by `dns.half-life` until " in site.run("status").out
    chain = site.document("explain", ONE)["chain"]
    assert next(one["name"] for one in chain if one["holds"] is False) == "damping"
    assert "dns is no longer withheld for flapping" in site.run("undrain", "dns", "--wait").out
    site.both_hold(announced)
