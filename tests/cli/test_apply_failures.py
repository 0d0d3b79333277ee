"""`apply` when something fails, on both routers, judged by the peers' tables."""

from __future__ import annotations

import json
import sys
import time
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from anycast_routed.announce.bird.layout import BirdLayout
from anycast_routed.announce.frr.layout import FrrLayout
from tests.support import program_runs
from tests.support.die_at import steps
from tests.support.kill_points import count
from tests.support.long_apply import apply_in_progress
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from tests.support.dns_site import Held, Site

pytestmark = pytest.mark.integration

MOST_STEPS = 80
LAYOUTS: dict[str, BirdLayout | FrrLayout] = {"bird": BirdLayout(), "frr": FrrLayout()}


def die_at(step: int, site: Site, *arguments: str) -> bool:
    """Run a verb that is killed at this step; return False if it ended before."""
    return program_runs.is_killed_at(step, site.dns1, *arguments, within=PATIENCE)


def test_a_dry_run_writes_and_loads_nothing(site: Site) -> None:
    done = site.run("apply", "--dry-run")
    assert "+ 10.10.10.10/32" in done.out
    assert "nothing was written" in done.out
    assert not site.dns1.path("/run/anycast-routed").exists()
    assert site.tables() == [{}, {}]


def test_the_exit_code_of_plan_says_whether_something_would_change(
    site: Site, announced: Held
) -> None:
    assert site.run("plan", "--exit-code", check=False).code == 2
    site.run("apply")
    site.both_hold(announced)
    assert site.run("plan", "--exit-code", check=False).code == 0


def test_apply_is_silent_with_q_when_nothing_changes(site: Site, announced: Held) -> None:
    assert "+ 10.10.10.10/32" in site.run("apply", "-q").out
    site.both_hold(announced)
    again = site.run("-q", "apply")
    assert (again.out, again.err) == ("", "")


def test_a_second_apply_writes_no_file(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    run_dir = site.dns1.path("/run/anycast-routed")
    before = {path.name: path.stat().st_mtime_ns for path in run_dir.iterdir()}
    site.run("apply")
    after = {path.name: path.stat().st_mtime_ns for path in run_dir.iterdir()}
    before.pop("holder")
    after.pop("holder")
    assert after == before


def test_explain_names_the_first_failing_link(site: Site) -> None:
    site.run("apply")
    site.server.daemon.pause()

    def failing() -> dict[str, str]:
        """Return the first failing link; a check that ran late has none."""
        chain: list[dict[str, Any]] = site.document("explain", "10.10.10.10/32")["chain"]
        return next(link for link in chain if link["holds"] is False)

    first = eventually(failing)
    assert first["name"] == "check"
    assert "no reply" in first["fact"]


def test_withdraw_works_without_a_readable_config(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    site.dns1.write("/etc/anycast-routed/config.json", "{")
    done = site.run("withdraw")
    assert "- 10.10.10.10/32" in done.out
    site.both_hold({})


@pytest.mark.fault(32)
def test_a_second_instance_ends_with_75_and_names_the_holder(site: Site) -> None:
    with apply_in_progress(site) as holder:
        second = site.run("apply", check=False)
        assert second.code == 75
        assert "another instance is at work: apply, PID" in second.err
    assert holder.wait(PATIENCE) == 0


@pytest.mark.fault(22)
def test_a_missing_router_ends_with_69_and_a_hint(site: Site) -> None:
    other = "bird" if site.router_name == "frr" else "frr"
    done = site.run("--router", other, "apply", check=False)
    assert done.code == 69
    assert f"systemctl status {other}" in done.err


def test_a_change_of_next_hop_reaches_the_peers(site: Site, announced: Held) -> None:
    site.run("apply")
    site.both_hold(announced)
    site.dns1.remove_address("eth0", "fd00:17:2::1/64")
    done = site.run("apply")
    assert "- fd00::10:10:10:10/128" in done.out
    assert "no IPv6 address" in done.out
    site.both_hold({p: r for p, r in announced.items() if ":" not in p})
    site.dns1.address("eth0", "fd00:17:2::9/64")
    site.run("apply")
    site.both_hold({**announced, "fd00::10:10:10:10/128": (200, "fd00:17:2::9")})


def test_a_peer_removed_from_the_config_loses_its_session(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    site.run("apply")
    site.both_hold(announced)
    dns_config["bgp"]["peers"] = [
        peer for peer in dns_config["bgp"]["peers"] if peer["ip"] != "172.17.2.254"
    ]
    site.configure(dns_config)
    site.run("apply")
    eventually(lambda: site.tables() == [announced, {}], why="only gobgpd is left")


def test_a_peer_in_another_as_gets_the_route_and_a_warning(
    site: Site, announced: Held, dns_config: dict[str, Any]
) -> None:
    listener = site.recording_peer(asn=64513)
    dns_config["bgp"]["as"] = 64513
    dns_config["bgp"]["peers"] = [
        one for one in dns_config["bgp"]["peers"] if one["ip"] != "172.17.2.254"
    ]
    site.configure(dns_config)
    assert "LocalPref does not reach it" in site.run("apply").err
    eventually(lambda: listener.table().keys() == announced.keys(), why="over eBGP")
    assert {
        prefix: (route.local_pref, route.next_hop, route.as_path)
        for prefix, route in listener.table().items()
    } == {prefix: (None, hop, (64513,)) for prefix, (_, hop) in announced.items()}
    mark = listener.mark()
    site.server.daemon.kill()
    site.run("apply")
    eventually(lambda: not listener.table(), why="withdrawn")
    assert {event.kind for event in listener.changes(mark)} == {"withdraw"}


@pytest.mark.fault(21)
def test_after_a_boot_nothing_is_announced_before_the_first_healthy_verdict(
    site: Site, announced: Held
) -> None:
    listener = site.recording_peer()
    site.run("apply")
    eventually(lambda: listener.table().keys() == announced.keys(), why="announced")
    if hasattr(site.router, "write_memory"):
        site.router.write_memory()  # As an operator may do; it saves our lines, too.
    site.server.daemon.kill()
    site.dns1.run("find", "/run/anycast-routed", "-mindepth", "1", "-delete")
    mark = listener.mark()
    # The session comes up after `apply`: until then FRR would announce its saved networks.
    listener.daemon.pause()
    site.router.restart()
    assert "+ " not in site.run("apply").out
    listener.daemon.resume()
    # BIRD's session is in our file, so `apply` has brought it up; the verdict is "down".
    eventually(
        lambda: "up" in [event.kind for event in listener.since(mark)],
        why="the session is back",
    )
    healthy = time.monotonic()
    site.server.restart()
    site.run("apply")
    eventually(lambda: listener.table().keys() == announced.keys(), why="healthy now")
    assert all(e.at >= healthy for e in listener.since(mark) if e.kind == "announce")


@pytest.mark.fault(30, "31b")
@pytest.mark.soak
def test_killed_at_any_step_of_a_withdrawal(
    site: Site, announced: Held, request: pytest.FixtureRequest
) -> None:
    """At any step, the file is the old one, the old one without the prefixes, or the new one.

    The next run completes the change.
    """
    site.undamped()
    site.run("apply")
    site.both_hold(announced)
    file = site.dns1.path(f"/run/anycast-routed/{site.router_name}.conf")
    up = file.read_text()
    cut = LAYOUTS[site.router_name].without(up, frozenset(map(ip_network, announced)))
    for died, step in enumerate(steps(MOST_STEPS, site.router_name)):
        site.server.daemon.kill()
        killed = die_at(step, site, "apply")
        now = file.read_text()
        # Nothing had changed yet: the run of the next step is also the next `apply`.
        if now == up and site.tables() == [announced, announced] and killed:
            continue
        site.run("apply")
        site.both_hold({})
        down = file.read_text()
        assert now in {up, cut, down}
        if not killed:
            count(request, died)
            return
        site.server.restart()
        site.run("apply")
        site.both_hold(announced)
    pytest.fail(f"apply takes more than {MOST_STEPS} steps")


@pytest.mark.fault(30, "31b")
@pytest.mark.soak
def test_killed_at_any_step_of_an_announcement(
    site: Site, announced: Held, request: pytest.FixtureRequest
) -> None:
    """The service dies again right after the kill, and is never announced again."""
    site.undamped()
    site.run("apply")
    site.both_hold(announced)
    file = site.dns1.path(f"/run/anycast-routed/{site.router_name}.conf")
    up = file.read_text()
    site.server.daemon.kill()
    site.run("apply")
    down = file.read_text()
    for died, step in enumerate(steps(MOST_STEPS, site.router_name)):
        site.both_hold({})
        site.server.restart()
        killed = die_at(step, site, "apply")
        now = file.read_text()
        assert now in {up, down}
        site.server.daemon.kill()
        if now != down or site.tables() != [{}, {}] or not killed:
            site.run("apply")
            site.both_hold({})
            assert file.read_text() == down
        if not killed:
            count(request, died)
            return
    pytest.fail(f"apply takes more than {MOST_STEPS} steps")


@pytest.mark.fault(37)
def test_a_closed_or_full_standard_output_stops_nothing(site: Site, announced: Held) -> None:
    ours = f"{sys.executable} -m anycast_routed"
    site.dns1.run("sh", "-c", f"{ours} apply --diff | true", within=PATIENCE)
    site.both_hold(announced)
    site.server.daemon.kill()
    site.dns1.run("sh", "-c", f"{ours} apply >&-", within=PATIENCE)
    site.both_hold({})
    full = site.dns1.run("sh", "-c", f"{ours} plan > /dev/full", check=False, within=PATIENCE)
    assert (full.code, "No space left" in full.err) == (73, True)


def test_many_hung_services_are_all_withdrawn(site: Site, dns_config: dict[str, Any]) -> None:
    """A check that runs late on a busy machine gives no verdict: the next run repeats it."""
    anycast = {"nexthop-interface": "eth0"}
    services = [
        {
            "name": f"s{number}",
            "dns": dns_config["dns"],
            "anycast": {**anycast, "routes": [{"label": "r", "ip": f"10.30.0.{number}/32"}]},
        }
        for number in range(1, 101)
    ]
    site.configure({"services": services, "bgp": dns_config["bgp"]})
    everything: Held = {f"10.30.0.{number}/32": (100, "172.17.2.1") for number in range(1, 101)}

    def applied(wanted: Held) -> bool:
        site.run("apply", check=False)
        return site.tables() == [wanted, wanted]

    eventually(lambda: applied(everything), why="every service is announced")
    site.server.daemon.pause()
    eventually(lambda: applied({}), why="every service is withdrawn")
    results = site.document("check", check=False)["results"]
    assert len(results) == len(services)
    assert not [name for name, result in results.items() if result["outcome"] == "pass"]


def test_the_option_json_may_stand_before_or_after_the_verb(site: Site) -> None:
    for arguments in (("--json", "scan"), ("scan", "--json")):
        assert json.loads(site.run(*arguments).out)["verb"] == "scan"
