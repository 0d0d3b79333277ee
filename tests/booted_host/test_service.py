"""Under a real systemd: what an unprivileged daemon announces comes, goes, returns and stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.machines.dns_host import ONLY_BIRD, OURS, DnsHost
from tests.support.watched_site import each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

MOST_KILLS = 10


@pytest.mark.fault(1)
def test_it_comes_goes_and_returns_with_the_units_of_the_dns_server(
    host: DnsHost, announced: Held
) -> None:
    mark = host.mark()
    host.systemctl("stop", "unbound")
    host.holds({})
    assert host.told(mark) == each("withdraw", announced)
    host.systemctl("start", "unbound")
    host.holds(announced)
    mark = host.mark()
    host.systemctl("kill", "--signal=KILL", "unbound")
    # Debian's unit starts it again.
    both = each("withdraw", announced) + each("announce", announced)
    eventually(lambda: host.told(mark) == both, within=15, why="it goes and returns")


@pytest.mark.fault(31)
def test_what_is_announced_outlives_a_killed_daemon_but_not_one_that_dies_again_and_again(
    host: DnsHost, announced: Held
) -> None:
    mark, before = host.mark(), host.pid()
    host.systemctl("kill", "--signal=KILL", OURS)
    host.is_another(before)
    assert not host.told(mark)
    host.drop_in(f"{OURS}.service", "[Service]\nRestartSec=100ms\n")
    for _ in range(MOST_KILLS):
        before = host.pid()
        host.systemctl("kill", "--signal=KILL", OURS)
        eventually(
            lambda was=before: host.pid() not in {0, was} or host.state() == "failed",  # type: ignore[misc]
            within=10,
            why="systemd starts it again, or no more",
        )
        if host.state() == "failed":
            break
        assert not host.told(mark)
    assert host.state() == "failed"
    host.holds({})
    assert host.told(mark) == each("withdraw", announced)
    host.systemctl("reset-failed", OURS)
    host.systemctl("start", OURS)
    host.holds(announced)


@ONLY_BIRD
@pytest.mark.fault(31)
def test_a_hung_daemon_is_replaced_and_the_new_one_withdraws_what_died_meanwhile(
    host: DnsHost, announced: Held
) -> None:
    # It gives a sign of life each three seconds.
    host.drop_in(f"{OURS}.service", "[Service]\nWatchdogSec=5\n")
    host.systemctl("start", "anycast-routed-handover")
    host.systemctl("restart", OURS)
    mark, before = host.mark(), host.pid()
    host.systemctl("kill", "--signal=STOP", "--kill-who=main", OURS)
    host.systemctl("stop", "unbound")
    host.is_another(before)
    host.holds({}, within=5)
    assert host.told(mark) == each("withdraw", announced)
    assert "Watchdog timeout" in host.machine.journal("-u", OURS, "-n", "40")


@pytest.mark.fault(31)
def test_a_stop_withdraws_and_a_restart_that_hands_over_does_not(
    host: DnsHost, announced: Held
) -> None:
    mark, before = host.mark(), host.pid()
    host.systemctl("start", "anycast-routed-handover")
    host.systemctl("restart", OURS)
    assert host.pid() != before
    assert not host.told(mark)
    host.systemctl("stop", OURS)
    host.holds({}, within=2)
    assert host.told(mark) == each("withdraw", announced)
    assert not host.machine.failed()


@pytest.mark.fault(35)
def test_a_reload_takes_a_new_config_and_refuses_a_broken_one(
    host: DnsHost, announced: Held
) -> None:
    config = quick()
    config["anycast"]["localpref"] = 150
    host.configure(config)
    host.systemctl("reload", OURS)
    hop = announced["10.10.10.10/32"][1]
    eventually(lambda: host.table()["10.10.10.10/32"] == (150, hop), within=10, why="it is taken")
    mark, before = host.mark(), host.pid()
    config["anycast"]["localpref"] = -1
    host.configure(config)
    done = host.machine.run("systemctl", "reload", OURS, check=False)
    assert done.code != 0
    assert "anycast.localpref" in host.machine.journal("-u", OURS, "-n", "40")
    assert host.pid() == before
    assert not host.told(mark)


@pytest.mark.fault(21)
def test_after_a_reboot_nothing_is_announced_before_the_dns_server_answers(
    host: DnsHost, announced: Held
) -> None:
    if host.router_name == "frr":
        host.machine.run("vtysh", "-c", "write memory")
        assert "saved by `write memory`" in host.machine.run(OURS, "status").out
    host.drop_in("unbound.service", "[Service]\nExecStartPre=/bin/sleep 2\n")
    mark = host.mark()
    host.machine.reboot()
    host.holds(announced, within=20)
    events = host.peer.since(mark)
    # Both are on the clock that the receiver has.
    answers = int(host.machine.show("unbound", "ActiveEnterTimestampMonotonic")) / 1e6
    ours = int(host.machine.show(OURS, "ExecMainStartTimestampMonotonic")) / 1e6
    assert ours < answers
    assert all(event.at > answers for event in events if event.kind == "announce")
    first = next(event.kind for event in events)
    assert first == "withdraw", "it was withdrawn before the router went down"
