"""The unprivileged daemon as a systemd service: start, stop, restart, reload, crash, reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from tests.support.machines.dns_host import ONLY_BIRD, PROGRAM, DnsHost
from tests.support.watched_site import each, quick

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = [pytest.mark.integration, pytest.mark.booted]

# Restart at once, and count the starts of the whole test, on a slow machine too.
FAST_RESTARTS = "[Unit]\nStartLimitIntervalSec=1h\n[Service]\nRestartSec=100ms\n"
# unbound starts when the daemon already runs.
AFTER_DAEMON = f"""\
[Service]
ExecStartPre=/bin/sh -c 'until systemctl is-active --quiet {PROGRAM}; do sleep 0.1; done'
"""
MOST_KILLS = 10
LAUNCHER = f"/usr/bin/{PROGRAM}"
HANGS = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n"


@pytest.mark.fault(1)
def test_prefixes_are_withdrawn_and_announced_with_the_unit_of_the_dns_server(
    host: DnsHost, announced: Held
) -> None:
    mark = host.mark()
    host.systemctl("stop", "unbound")
    host.holds({})
    assert host.received(mark) == each("withdraw", announced)
    host.systemctl("start", "unbound")
    host.holds(announced)
    mark = host.mark()
    host.systemctl("kill", "--signal=KILL", "unbound")
    # Debian's unit starts unbound again.
    both = each("withdraw", announced) + each("announce", announced)
    returns = "the prefixes are withdrawn and announced again"
    eventually(lambda: host.received(mark) == both, within=60, why=returns)


@pytest.mark.fault(31)
def test_prefixes_stay_announced_if_the_daemon_is_killed_but_not_if_it_dies_repeatedly(
    host: DnsHost, announced: Held
) -> None:
    mark, before = host.mark(), host.pid()
    host.systemctl("kill", "--signal=KILL", PROGRAM)
    host.await_new_daemon(before)
    assert not host.received(mark)
    host.drop_in(f"{PROGRAM}.service", FAST_RESTARTS)
    for _ in range(MOST_KILLS):
        before = host.pid()
        host.systemctl("kill", "--signal=KILL", PROGRAM)
        eventually(
            lambda was=before: host.pid() not in {0, was} or host.state() == "failed",  # type: ignore[misc]
            within=60,
            why="systemd starts the daemon again, or reaches the start limit",
        )
        if host.state() == "failed":
            break
        assert not host.received(mark)
    assert host.state() == "failed"
    host.holds({})
    assert host.received(mark) == each("withdraw", announced)
    host.systemctl("reset-failed", PROGRAM)
    host.systemctl("start", PROGRAM)
    host.holds(announced)


@ONLY_BIRD
@pytest.mark.fault(31)
def test_systemd_restarts_a_hung_daemon_which_then_withdraws_the_failed_service(
    host: DnsHost, announced: Held
) -> None:
    # The daemon feeds the watchdog every three seconds.
    host.drop_in(f"{PROGRAM}.service", "[Service]\nWatchdogSec=12\n")
    host.systemctl("start", "anycast-routed-handover")
    host.systemctl("restart", PROGRAM)
    mark, before = host.mark(), host.pid()
    host.systemctl("kill", "--signal=STOP", "--kill-who=main", PROGRAM)
    host.systemctl("stop", "unbound")
    host.await_new_daemon(before)
    host.holds({}, within=30)
    assert host.received(mark) == each("withdraw", announced)
    assert "Watchdog timeout" in host.machine.journal("-u", PROGRAM, "-n", "40")


@pytest.mark.fault(69)
def test_what_hangs_five_times_in_a_row_is_withdrawn_although_the_program_does_not_start(
    host: DnsHost, announced: Held
) -> None:
    """It hangs once while it runs, and then in each start. The limits are those of the unit."""
    host.drop_in(f"{PROGRAM}.service", "[Service]\nWatchdogSec=12\nTimeoutStartSec=5\n")
    host.systemctl("start", "anycast-routed-handover")
    host.systemctl("restart", PROGRAM)
    host.systemctl("reset-failed", PROGRAM)
    mark = host.mark()
    host.machine.run("mv", LAUNCHER, f"{LAUNCHER}.away")
    try:
        host.machine.write(LAUNCHER, HANGS)
        host.machine.run("chmod", "755", LAUNCHER)
        host.systemctl("kill", "--signal=STOP", "--kill-who=main", PROGRAM)
        eventually(lambda: host.state() == "failed", within=120, why="it has hung five times")
        # systemd counts the fifth restart, which it refuses, too.
        assert host.machine.show(PROGRAM, "NRestarts") == "5"
        host.holds({})
        assert host.received(mark) == each("withdraw", announced)
    finally:
        host.machine.run("mv", f"{LAUNCHER}.away", LAUNCHER)
    host.systemctl("reset-failed", PROGRAM)
    host.systemctl("start", PROGRAM)
    host.holds(announced)


@pytest.mark.fault(31)
def test_a_stop_withdraws_and_a_restart_with_handover_does_not(
    host: DnsHost, announced: Held
) -> None:
    mark, before = host.mark(), host.pid()
    host.systemctl("start", "anycast-routed-handover")
    host.systemctl("restart", PROGRAM)
    assert host.pid() != before
    assert not host.received(mark)
    host.systemctl("stop", PROGRAM)
    host.holds({})
    assert host.received(mark) == each("withdraw", announced)
    assert not host.machine.failed()


@pytest.mark.fault(35)
def test_a_reload_loads_a_new_config_and_refuses_a_faulty_one(
    host: DnsHost, announced: Held
) -> None:
    config = quick()
    config["anycast"]["localpref"] = 150
    host.configure(config)
    host.systemctl("reload", PROGRAM)
    hop = announced["10.10.10.10/32"][1]
    changed = "the peer has the new LocalPref"
    eventually(lambda: host.table()["10.10.10.10/32"] == (150, hop), within=30, why=changed)
    mark, before = host.mark(), host.pid()
    config["anycast"]["localpref"] = -1
    host.configure(config)
    done = host.machine.run("systemctl", "reload", PROGRAM, check=False)
    assert done.code != 0
    assert "anycast.localpref" in host.machine.journal("-u", PROGRAM, "-n", "40")
    assert host.pid() == before
    assert not host.received(mark)


@pytest.mark.fault(21)
def test_after_a_reboot_nothing_is_announced_before_the_dns_server_answers(
    host: DnsHost, announced: Held
) -> None:
    if host.router_name == "frr":
        host.machine.run("vtysh", "-c", "write memory")
        assert "saved by `write memory`" in host.machine.run(PROGRAM, "status").out
    host.drop_in("unbound.service", AFTER_DAEMON)
    mark = host.mark()
    host.machine.reboot()
    host.holds(announced, within=60)
    events = host.peer.since(mark)
    # systemd and the receiver use the same clock.
    unbound_starts = int(host.machine.show("unbound", "ExecMainStartTimestampMonotonic")) / 1e6
    daemon_active = int(host.machine.show(PROGRAM, "ActiveEnterTimestampMonotonic")) / 1e6
    assert daemon_active < unbound_starts
    assert all(event.at > unbound_starts for event in events if event.kind == "announce")
    first = next(event.kind for event in events)
    assert first == "withdraw", "the daemon withdrew before the router went down"


@ONLY_BIRD
@pytest.mark.fault(21)
def test_an_include_file_on_a_disk_is_gone_at_boot_before_bird_reads_it(
    host: DnsHost, announced: Held
) -> None:
    """No anycast-routed runs after this boot: only systemd-tmpfiles keeps the dead withdrawn."""
    file = "/srv/anycast/bird.conf"
    host.systemctl("disable", "--now", PROGRAM)
    host.machine.run(PROGRAM, "setup", "--remove", "--write")
    host.configure({**quick(), "router": {"include-file": file}})
    host.machine.run("mkdir", "-p", "/srv/anycast")
    host.machine.run(PROGRAM, "setup", "--write")
    host.machine.run("birdc", "configure")
    host.machine.run(PROGRAM, "apply")
    host.holds(announced)
    host.systemctl("disable", "unbound")
    host.machine.write("/srv/anycast/other", "stays")
    host.machine.reboot()
    assert host.machine.read("/srv/anycast/other") == "stays"
    assert host.state("bird") == "active"
    assert host.machine.run("test", "-e", file, check=False).code != 0
    assert not host.peer.table()
    host.machine.run(PROGRAM, "setup", "--remove", "--write")
    host.systemctl("enable", "unbound", PROGRAM)
