"""The daemon, run by an ordinary user, can start no process and no thread (RLIMIT_NPROC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.state import status_file
from bench import faults
from bench.daemon_site import RUN_DIR, DaemonSite, Setting, site_config
from tests.support.router_faults import few_are_open
from tests.support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

pytestmark = [pytest.mark.integration, pytest.mark.fault(22)]


@pytest.fixture(scope="module", params=["bird", "frr"])
def stand(request: pytest.FixtureRequest) -> Iterator[DaemonSite]:
    """Lay out a host whose daemon has no privileges; the limit does not apply to root."""
    router: Literal["bird", "frr"] = request.param
    with DaemonSite(Setting(router, unprivileged=True), site_config()) as made:
        yield made


def says(stand: DaemonSite) -> status_file.Live:
    """Return the daemon's status file, which it writes after its first announcement."""
    run_dir = stand.host.path(RUN_DIR)
    return eventually(lambda: status_file.load(run_dir), why="the daemon has written its status")


def limit(stand: DaemonSite, processes: str) -> None:
    """Set the daemon's limit of processes, as its own user can."""
    owner = stand.host.path(RUN_DIR).stat()
    ids = ("--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups")
    prlimit = ("prlimit", f"--nproc={processes}:", "--pid", str(says(stand).pid))
    stand.host.run("setpriv", *ids, "--", *prlimit)


def test_a_daemon_that_cannot_start_processes_withdraws_and_recovers(stand: DaemonSite) -> None:
    server = faults.unbound(stand.host)
    stand.start()
    limit(stand, "0")
    mark = len(stand.daemon.log())
    server.daemon.kill()
    if stand.setting.router == "bird":
        # BIRD's socket needs no process, so the withdrawal is not delayed.
        stand.peer.wait(0, within=PATIENCE)
    alarm = "Resource temporarily unavailable"
    eventually(lambda: alarm in stand.daemon.log(mark), why="the problem is reported")
    assert stand.daemon.alive
    few_are_open(stand.host.path(f"/proc/{says(stand).pid}"))
    limit(stand, "1000")
    stand.peer.wait(0, within=PATIENCE)
    server.restart()
    stand.peer.wait(3, within=PATIENCE)
    eventually(lambda: not says(stand).problems, why="the problem is over")
    assert stand.daemon.alive
