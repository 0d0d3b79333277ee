"""The daemon, an ordinary user, may start no process and no thread any more (RLIMIT_NPROC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from anycast_routed.lab import eventually
from anycast_routed.state import status_file
from bench import faults
from bench.daemon_site import RUN_DIR, DaemonSite, Setting, site_config
from tests.support.router_faults import few_are_open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

pytestmark = [pytest.mark.integration, pytest.mark.fault(22)]


@pytest.fixture(scope="module", params=["bird", "frr"])
def stand(request: pytest.FixtureRequest) -> Iterator[DaemonSite]:
    """Lay out a host whose daemon is to have no privileges; for root there is no such limit."""
    router: Literal["bird", "frr"] = request.param
    with DaemonSite(Setting(router, unprivileged=True), site_config()) as made:
        yield made


def says(stand: DaemonSite) -> status_file.Live:
    """Return the daemon's status file."""
    found = status_file.load(stand.host.path(RUN_DIR))
    assert found is not None
    return found


def limit(stand: DaemonSite, processes: str) -> None:
    """Let the daemon have so many, as its own user may."""
    owner = stand.host.path(RUN_DIR).stat()
    ids = ("--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups")
    prlimit = ("prlimit", f"--nproc={processes}:", "--pid", str(says(stand).pid))
    stand.host.run("setpriv", *ids, "--", *prlimit)


def test_without_processes_it_does_what_it_can_and_goes_on(stand: DaemonSite) -> None:
    server = faults.unbound(stand.host)
    stand.start()
    limit(stand, "0")
    mark = len(stand.daemon.log())
    server.daemon.kill()
    if stand.setting.router == "bird":
        # Its socket needs no process, and so what is dead goes as fast as ever.
        stand.peer.wait(0, within=3)
    alarm = "Resource temporarily unavailable"
    eventually(lambda: alarm in stand.daemon.log(mark), within=8, why="it is told")
    assert stand.daemon.alive
    few_are_open(stand.host.path(f"/proc/{says(stand).pid}"))
    limit(stand, "1000")
    stand.peer.wait(0, within=8)
    server.restart()
    stand.peer.wait(3, within=10)
    eventually(lambda: not says(stand).problems, within=8, why="that is over")
    assert stand.daemon.alive
