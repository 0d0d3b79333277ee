"""The daemon is stopped, or out of descriptors or ports: no fault of the DNS server."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from anycast_routed.model import Verdict
from tests.support.waiting import eventually
from tests.support.watched_site import Watched, each

if TYPE_CHECKING:
    from tests.support.dns_site import Held

pytestmark = pytest.mark.integration

RESERVED = "net.ipv4.ip_local_reserved_ports"


def new_log(watched: Watched, before: str) -> str:
    """Return the lines that the log has gained."""
    return watched.process().log().removeprefix(before)


def check_runs_again(watched: Watched) -> None:
    """Wait until the daemon has a good answer and no problem; it tries every few seconds."""
    eventually(
        lambda: watched.reason() == "NOERROR" and not watched.status().problems,
        why="the check runs again",
    )


@pytest.mark.fault(36)
def test_a_daemon_that_was_stopped_does_not_blame_the_server(watched: Watched) -> None:
    mark = watched.mark()
    for seconds in (0.3, 0.5, 2.0):
        watched.process().pause()
        watched.no_update_for(seconds)
        watched.process().resume()
        watched.no_update_for(0.3)
    assert not watched.updates(mark)
    assert watched.status().health["dns"].verdict is Verdict.UP


@pytest.mark.fault(36)
def test_a_server_that_died_while_the_daemon_was_stopped_is_withdrawn_on_resume(
    watched: Watched, announced: Held
) -> None:
    mark = watched.mark()
    watched.process().pause()
    watched.server.daemon.kill()
    watched.no_update_for(0.5)
    watched.process().resume()
    watched.holds({})
    watched.end_faults()
    watched.holds(announced)
    assert watched.updates(mark) == each("withdraw", announced) + each("announce", announced)


@pytest.mark.fault(36)
def test_a_suspended_host_resumes_without_updates(watched: Watched) -> None:
    # The daemon stops first and resumes last, so it never sees the others stopped.
    mark, daemon = watched.mark(), watched.process()
    others = [one for one in watched.dns1.daemons if one.alive and one is not daemon]
    for seconds in (0.5, 2.0):
        for one in (daemon, *others):
            one.pause(whole=True)
        watched.no_update_for(seconds)
        for one in (*others, daemon):
            one.resume()
        watched.no_update_for(0.5)
    assert not watched.updates(mark)
    assert watched.status().health["dns"].verdict is Verdict.UP


@pytest.mark.fault(14)
def test_without_descriptors_nothing_changes_and_the_log_reports_it(watched: Watched) -> None:
    mark, pid, said = watched.mark(), watched.process().pid, watched.process().log()
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        alarm = "the check cannot run service=dns"
        eventually(lambda: alarm in new_log(watched, said), why="the alarm")
        watched.no_update_for(1)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    over = 'problem is over about="status file"'
    eventually(lambda: over in new_log(watched, said), why="it can be written again")
    check_runs_again(watched)
    assert not watched.updates(mark)
    assert "verdict" not in new_log(watched, said)


@pytest.mark.fault(14)
@pytest.mark.parametrize("returns", [True, False])
def test_a_server_that_dies_while_descriptors_are_missing_is_judged_afterwards(
    watched: Watched, announced: Held, *, returns: bool
) -> None:
    mark, pid, said = watched.mark(), watched.process().pid, watched.process().log()
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        watched.server.daemon.kill()
        if returns:
            watched.server.restart()
        alarm = "problem about=router"
        eventually(lambda: alarm in new_log(watched, said), why="the problem is reported")
        watched.no_update_for(0.3)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    over = "problem is over about=router"
    eventually(lambda: over in new_log(watched, said), why="the problem is over")
    if not returns:
        watched.holds({})
        watched.end_faults()
    watched.holds(announced)
    check_runs_again(watched)
    assert ("withdraw" in {kind for kind, _ in watched.updates(mark)}) is not returns


@pytest.mark.fault(14)
def test_without_free_ports_nothing_changes_and_log_and_status_report_it(watched: Watched) -> None:
    mark, said, host = watched.mark(), watched.process().log(), watched.dns1
    host.sysctl(RESERVED, "1024-65535")
    try:
        alarm, reason = "the check cannot run service=dns", "the check could not run: "
        eventually(lambda: alarm in new_log(watched, said), why="the alarm")
        eventually(lambda: watched.reason().startswith(reason), why="status")
        assert watched.status().health["dns"].verdict is Verdict.UP
    finally:
        host.sysctl(RESERVED, "\n")  # none
    check_runs_again(watched)
    assert not watched.updates(mark)
